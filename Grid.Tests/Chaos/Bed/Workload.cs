using Grid.Client;
using Grid.Protocol;

namespace Grid.Tests.Chaos.Bed;

/// <summary>The pools and objects that callers of a run contend for.</summary>
internal sealed class Workload
{
    private const int ObjectsPerPool = 3;

    /// <summary>The pages used of each object: dense and at the ends of the range.</summary>
    public static IReadOnlyList<uint> Indexes { get; } = [0, 1, 2, 70_000, uint.MaxValue];

    /// <summary>One of each kind, and one at its quota.</summary>
    private static readonly (string Name, PoolOptions Options)[] Pools =
    [
        ("ephemeral-private", new PoolOptions { Kind = PoolKind.Ephemeral }),
        ("ephemeral-shared", new PoolOptions { Kind = PoolKind.Ephemeral, Sharing = PoolSharing.Shared, Compression = PageCompression.Lz4 }),
        ("persistent-private", new PoolOptions { Kind = PoolKind.Persistent, Compression = PageCompression.Zstd }),
        ("persistent-shared", new PoolOptions { Kind = PoolKind.Persistent, Sharing = PoolSharing.Shared }),
        ("persistent-tight", new PoolOptions { Kind = PoolKind.Persistent, QuotaPages = (ulong)(ObjectsPerPool * 2) }),
    ];

    private Workload(IReadOnlyList<(string Pool, ObjectId Object)> objects) => Objects = objects;

    public IReadOnlyList<(string Pool, ObjectId Object)> Objects { get; }

    public static IEnumerable<string> PoolNames => Pools.Select(pool => pool.Name);

    public static async Task CreatePoolsAsync(GridClient client)
    {
        foreach (var (name, options) in Pools) await client.CreatePoolAsync(name, options);
    }

    /// <summary>Objects that nobody has used, told to a history.</summary>
    public static async Task<Workload> BeginAsync(HistoryWriter history, Random random)
    {
        foreach (var (name, options) in Pools) await history.AddPoolAsync(new RecordedPool(name, options.Kind == PoolKind.Persistent, MayRefuse: options.QuotaPages > 0));
        return new Workload([.. Pools.SelectMany(pool => Enumerable.Range(0, ObjectsPerPool).Select(_ => (pool.Name, new ObjectId((ulong)random.NextInt64(), (ulong)random.NextInt64(), 5))))]);
    }
}
