using Grid.Client;
using Grid.Protocol;

namespace Grid.Tests.Chaos.Bed;

/// <summary>Many callers on few handles: all operations, one call at a time each, with a moment between so that the machine has time for what is judged.</summary>
internal sealed class ChaosCallers : IAsyncDisposable
{
    private const int Clients = 4;
    private const int CallersPerClient = 6;
    private const int PauseMaxMs = 50;
    private static readonly TimeSpan CallTimeout = TimeSpan.FromSeconds(5);
    private readonly List<GridClient> _clients = [];
    private readonly List<IReadOnlyDictionary<string, Pool>> _pools = [];

    /// <summary>The clients live as long as the run.</summary>
    public static async Task<ChaosCallers> ConnectAsync(ChaosBed bed)
    {
        var callers = new ChaosCallers();
        try
        {
            for (var i = 0; i < Clients; i++)
            {
                var client = await bed.ConnectAsync();
                callers._clients.Add(client);
                if (i == 0) await Workload.CreatePoolsAsync(client);
                var pools = new Dictionary<string, Pool>();
                foreach (var name in Workload.PoolNames) pools[name] = await client.OpenPoolAsync(name);
                callers._pools.Add(pools);
            }

            return callers;
        }
        catch
        {
            await callers.DisposeAsync();
            throw;
        }
    }

    /// <summary>A caller beside the others, with a deadline of its own.</summary>
    public RecordingCaller Another(HistoryWriter history, Numbers numbers, TimeSpan timeout) => new(_pools[0], history, numbers, timeout);

    /// <summary>Calls until told to stop.</summary>
    public async Task RunAsync(Workload workload, HistoryWriter history, Numbers numbers, Random random, CancellationToken stop)
    {
        var running = from pools in _pools
                      from _ in Enumerable.Range(0, CallersPerClient)
                      select CallAsync(new RecordingCaller(pools, history, numbers, CallTimeout), workload, numbers, new Random(random.Next()), stop);
        await Task.WhenAll([.. running]);
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var client in _clients) await client.DisposeAsync();
    }

    private static async Task CallAsync(RecordingCaller caller, Workload workload, Numbers numbers, Random random, CancellationToken stop)
    {
        await Task.Yield();
        while (!stop.IsCancellationRequested)
        {
            var (pool, obj) = workload.Objects[random.Next(workload.Objects.Count)];
            var kind = random.Next(20) switch
            {
                < 6 => CallKind.Put,
                < 11 => CallKind.Get,
                < 13 => CallKind.Take,
                < 15 => CallKind.Flush,
                15 => CallKind.FlushObject,
                < 18 => CallKind.WriteBatch,
                18 => CallKind.GetBatch,
                _ => CallKind.TakeBatch,
            };
            var indexes = IndexesFor(kind, random);
            await caller.CallAsync(kind, pool, obj, indexes, ValuesFor(kind, indexes, numbers, random));
            await Task.Delay(random.Next(PauseMaxMs), CancellationToken.None);
        }
    }

    private static uint[] IndexesFor(CallKind kind, Random random)
    {
        if (kind == CallKind.FlushObject) return [];
        var indexes = Workload.Indexes.ToArray();
        random.Shuffle(indexes);
        return kind is CallKind.WriteBatch or CallKind.GetBatch or CallKind.TakeBatch ? indexes[..random.Next(2, indexes.Length + 1)] : indexes[..1];
    }

    private static ulong[] ValuesFor(CallKind kind, uint[] indexes, Numbers numbers, Random random) => kind switch
    {
        CallKind.Put => [numbers.NextValue()],
        CallKind.WriteBatch => [.. indexes.Select(_ => random.Next(4) == 0 ? 0 : numbers.NextValue())],
        _ => [],
    };
}
