using System.Diagnostics;

namespace Grid.Tests.Chaos.Bed;

/// <summary>
/// Joins hosts into one network, packet by packet, and can treat the packets from each host to each other one as it is told: one-way cuts, loss, delay and slow links, which not every kernel can do
/// (netem is often left out). A host is a last byte of an address; several may be behind one interface.
/// </summary>
internal sealed class NetworkSwitch : IDisposable
{
    private const int LongestPacketBytes = 65_536;
    private const int DelayedMax = 20_000;
    private const int LookAgainMs = 100;
    private static readonly long OneSecond = Stopwatch.Frequency;
    private readonly Tun?[] _tunOf = new Tun?[256];
    private readonly Link[,] _links = new Link[256, 256];
    private readonly List<Tun> _tuns = [];
    private readonly List<Thread> _threads = [];
    private readonly PriorityQueue<(Tun To, byte[] Packet), long> _delayed = new();
    private readonly object _delaying = new();
    private readonly Random _random;
    private volatile bool _isStopping;
    private long _passed;
    private long _dropped;

    public NetworkSwitch(int seed)
    {
        _random = new Random(seed);
        var thread = new Thread(Delay) { IsBackground = true, Name = "switch, delayed" };
        _threads.Add(thread);
        thread.Start();
    }

    public long Passed => Interlocked.Read(ref _passed);

    public long Dropped => Interlocked.Read(ref _dropped);

    /// <summary>Plugs an interface in; behind it are hosts with these last bytes.</summary>
    public void Plug(Tun tun, params ReadOnlySpan<byte> hosts)
    {
        foreach (var host in hosts) _tunOf[host] = tun;
        _tuns.Add(tun);
        var thread = new Thread(() => Pass(tun)) { IsBackground = true, Name = $"switch, {tun.Name}" };
        _threads.Add(thread);
        thread.Start();
    }

    /// <summary>From now on packets from one host to another are treated so; null: as usual.</summary>
    public void Set(byte from, byte to, LinkRule? rule)
    {
        lock (_delaying) _links[from, to].Rule = rule;
    }

    /// <summary>The same in both directions.</summary>
    public void SetBoth(byte one, byte other, LinkRule? rule)
    {
        Set(one, other, rule);
        Set(other, one, rule);
    }

    /// <summary>Everything passes as usual.</summary>
    public void Heal()
    {
        lock (_delaying)
        {
            foreach (ref var link in System.Runtime.InteropServices.MemoryMarshal.CreateSpan(ref _links[0, 0], _links.Length)) link.Rule = null;
        }
    }

    public void Dispose()
    {
        _isStopping = true;
        lock (_delaying) Monitor.Pulse(_delaying);
        foreach (var thread in _threads) thread.Join();
        foreach (var tun in _tuns) tun.Dispose();
    }

    private void Pass(Tun from)
    {
        var buffer = new byte[LongestPacketBytes];
        while (!_isStopping)
        {
            var length = from.Read(buffer, LookAgainMs);
            // IPv4: the sender's address at byte 12, the receiver's at 16. What else there is (neighbour discovery) nobody needs.
            if (length < 20 || buffer[0] >> 4 != 4) continue;
            var to = _tunOf[buffer[19]];
            if (to is null || IsKept(buffer[15], buffer[19], to, buffer.AsSpan(0, length))) continue;
            // Before it is sent: who has received it finds it counted.
            Interlocked.Increment(ref _passed);
            to.Write(buffer.AsSpan(0, length));
        }
    }

    /// <summary>Whether the packet must not pass now: it is lost, or waits.</summary>
    private bool IsKept(byte from, byte to, Tun tun, ReadOnlySpan<byte> packet)
    {
        if (Volatile.Read(ref _links[from, to].Rule) is null) return false;
        lock (_delaying)
        {
            ref var link = ref _links[from, to];
            if (link.Rule is not { } rule) return false;
            if (_random.NextDouble() < rule.Loss || _delayed.Count >= DelayedMax) return Drop();
            var now = Stopwatch.GetTimestamp();
            var due = now;
            if (rule.BytesPerSecond > 0)
            {
                link.FreeAt = Math.Max(now, link.FreeAt);
                if (link.FreeAt - now > OneSecond) return Drop();
                link.FreeAt += OneSecond * packet.Length / rule.BytesPerSecond;
                due = link.FreeAt;
            }

            due += (long)((rule.Delay.TotalSeconds + (rule.Jitter.TotalSeconds * ((2 * _random.NextDouble()) - 1))) * OneSecond);
            link.LastDue = Math.Max(due, link.LastDue);
            if (link.LastDue <= now) return false;
            _delayed.Enqueue((tun, packet.ToArray()), link.LastDue);
            Monitor.Pulse(_delaying);
            return true;
        }
    }

    private bool Drop()
    {
        Interlocked.Increment(ref _dropped);
        return true;
    }

    /// <summary>Lets packets go when they are due.</summary>
    private void Delay()
    {
        lock (_delaying)
        {
            while (!_isStopping)
            {
                if (!_delayed.TryPeek(out var next, out var due))
                {
                    Monitor.Wait(_delaying, LookAgainMs);
                }
                else if (due - Stopwatch.GetTimestamp() is > 0 and var wait)
                {
                    Monitor.Wait(_delaying, (int)Math.Min(LookAgainMs, (wait * 1000 / OneSecond) + 1));
                }
                else
                {
                    _delayed.Dequeue();
                    Interlocked.Increment(ref _passed);
                    next.To.Write(next.Packet);
                }
            }
        }
    }

    private struct Link
    {
        public LinkRule? Rule;

        /// <summary>When all that went into a slow link has passed it.</summary>
        public long FreeAt;

        /// <summary>When the latest that waits is due: nothing overtakes it.</summary>
        public long LastDue;
    }
}
