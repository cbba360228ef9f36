using Grid.Tests.Harness;

namespace Grid.Tests.Chaos.Bed;

/// <summary>Starts nodes again that have ended, for whatever reason, as Kubernetes does; faults only send signals.</summary>
internal sealed class Supervisor : IAsyncDisposable
{
    private static readonly TimeSpan LookAgainAfter = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan RestartsAfter = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(90);
    private readonly IReadOnlyList<NodeProcess> _nodes;
    private readonly bool[] _isStarting;
    private readonly List<string> _events = [];
    private readonly Task _keeping;
    private volatile bool _isStopping;
    private int _restarts;

    public Supervisor(IReadOnlyList<NodeProcess> nodes)
    {
        _nodes = nodes;
        _isStarting = new bool[nodes.Count];
        _keeping = Task.WhenAll(nodes.Select((_, node) => KeepAsync(node)));
    }

    /// <summary>Starts so far, the failed ones too.</summary>
    public int Restarts => Volatile.Read(ref _restarts);

    /// <summary>What it saw.</summary>
    public IReadOnlyList<string> Events
    {
        get
        {
            lock (_events) return [.. _events];
        }
    }

    /// <summary>Waits until a node runs, and sends it a signal.</summary>
    public async Task<int> SignalAsync(int node, int signal)
    {
        await Eventually.TrueAsync(() => Runs(node), $"node {node + 1} runs", Patience);
        var pid = _nodes[node].Pid;
        Signals.Send(pid, signal);
        return pid;
    }

    /// <summary>Whether a node has been started and not ended.</summary>
    public bool Runs(int node) => !Volatile.Read(ref _isStarting[node]) && !_nodes[node].HasExited;

    /// <summary>Ends the nodes, so that none is started again.</summary>
    public async ValueTask DisposeAsync()
    {
        _isStopping = true;
        while (!_keeping.IsCompleted)
        {
            for (var node = 0; node < _nodes.Count; node++)
                if (Volatile.Read(ref _isStarting[node])) KillStarting(node);
            await Task.WhenAny(_keeping, Task.Delay(LookAgainAfter));
        }

        await _keeping;
    }

    private async Task KeepAsync(int index)
    {
        var node = _nodes[index];
        while (!_isStopping)
        {
            if (!node.HasExited)
            {
                await Task.Delay(LookAgainAfter);
                continue;
            }

            Volatile.Write(ref _isStarting[index], true);
            await Task.Delay(RestartsAfter);
            Tell($"node {index + 1} has ended, start {Interlocked.Increment(ref _restarts)}");
            try
            {
                await node.RestartAsync();
                Tell($"node {index + 1} serves");
            }
            catch (InvalidOperationException e)
            {
                Tell($"node {index + 1} ended before it served: {e.Message}");
            }
            catch (TimeoutException)
            {
                Tell($"node {index + 1} does not serve in time and is killed");
                await node.Kill9Async();
            }
            finally
            {
                Volatile.Write(ref _isStarting[index], false);
            }
        }
    }

    private void KillStarting(int node)
    {
        try
        {
            Signals.Send(_nodes[node].Pid, Signals.Kill);
        }
        catch (InvalidOperationException)
        {
            // Between two processes: the next look finds it.
        }
    }

    private void Tell(string what)
    {
        lock (_events) _events.Add($"{DateTime.UtcNow:HH:mm:ss.fff} {what}");
    }
}
