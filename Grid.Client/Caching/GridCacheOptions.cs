using Grid.Protocol;

namespace Grid.Client;

/// <summary>
/// Where a cache keeps its values and how: the options of <see cref="GridDistributedCache"/> (and of the output cache of <c>Grid.AspNetCore</c>, which shares them).
/// Exactly one of <see cref="ConnectionString"/>, <see cref="Client"/> and <see cref="ClientFactory"/> says how the grid is reached.
/// </summary>
public sealed class GridCacheOptions
{
    /// <summary>The most <see cref="Objects"/>.</summary>
    public const int MaxObjects = 65536;

    /// <summary>The grid, as <see cref="GridClientOptions.Parse"/> reads it, e.g. <c>grid://node1:7070,node2:7070?timeout=2s</c>. The cache opens and closes the connection.</summary>
    public string? ConnectionString { get; set; }

    /// <summary>The grid. The cache opens and closes the connection.</summary>
    public GridClientOptions? Client { get; set; }

    /// <summary>Gives the client to use; called when the cache is first used, and again if that failed. The client stays its giver's: the cache does not close it, and works as long as it is open.</summary>
    public Func<CancellationToken, ValueTask<GridClient>>? ClientFactory { get; set; }

    /// <summary>The name of the pool that holds the values; <c>cache</c> by default. Caches of many programs may share a pool.</summary>
    public string Pool { get; set; } = "cache";

    /// <summary>
    /// The attributes of the pool where it does not exist yet; null: it must exist. A pool that exists is taken as it is. By default ephemeral and shared, pages of 4096 bytes, lz4:
    /// values may vanish when memory is short, and a value of some hundred bytes takes little more than that.
    /// </summary>
    public PoolOptions? NewPool { get; set; } = new() { Kind = PoolKind.Ephemeral, Sharing = PoolSharing.Shared, Compression = PageCompression.Lz4 };

    /// <summary>Stands before every key, so that several programs can use one pool without meeting; empty by default.</summary>
    public string InstanceName { get; set; } = "";

    /// <summary>
    /// How many objects the keys are spread over, 1 to <see cref="MaxObjects"/>; 1024 by default. Objects are what is spread over the nodes, and each does one thing at a time. All programs that share
    /// values must have the same number: another number is another cache.
    /// </summary>
    public int Objects { get; set; } = 1024;

    /// <summary>The longest value that is taken, in bytes; 512 MiB by default. A longer one is refused with an <see cref="ArgumentException"/>.</summary>
    public int MaxValueBytes { get; set; } = 512 << 20;

    /// <summary>Whether reading a value with a sliding expiration renews it; true by default. If false only Refresh does.</summary>
    public bool RenewOnGet { get; set; } = true;

    /// <summary>
    /// How often expired values that nobody asks for any more, and what interrupted writers left, are looked for and flushed; 30 minutes by default, at least a minute,
    /// <see cref="Timeout.InfiniteTimeSpan"/> is never. Of all programs with the same pool and number of objects one does it at a time.
    /// </summary>
    public TimeSpan SweepInterval { get; set; } = TimeSpan.FromMinutes(30);

    /// <summary>Test aid: how many bits of a key's hash choose its slot in the object, 0 to 31. Fewer bits, more keys that meet.</summary>
    internal int SlotBits { get; set; } = 31;

    /// <summary>Test aid: how many bits of room values' pages have in an object, at most 31. Less room, more values that are in each other's way.</summary>
    internal int ValueBits { get; set; } = 31;

    /// <summary>What is wrong with these options, a text per mistake; empty when nothing is.</summary>
    internal IEnumerable<string> Mistakes()
    {
        var ways = (ConnectionString is null ? 0 : 1) + (Client is null ? 0 : 1) + (ClientFactory is null ? 0 : 1);
        if (ways == 0) yield return "no grid is named: set ConnectionString (e.g. \"grid://localhost:7070\"), Client or ClientFactory";
        if (ways > 1) yield return "the grid is named twice: set only one of ConnectionString, Client and ClientFactory";
        if (ConnectionString is not null && Wrong(() => GridClientOptions.Parse(ConnectionString).Validate()) is { } text) yield return $"ConnectionString: {text}";
        if (Client is not null && Wrong(Client.Validate) is { } client) yield return $"Client: {client}";
        if (Pool is null) yield return "Pool is null: name the pool";
        else if (PoolOptions.ValidateName(Pool) is { } name) yield return $"Pool: {name}";
        if (NewPool?.Validate() is { } pool) yield return $"NewPool: {pool}";
        if (InstanceName is null) yield return "InstanceName is null: leave it empty for none";
        if (Objects is < 1 or > MaxObjects) yield return $"Objects is {Objects}, 1 to {MaxObjects} are possible";
        if (MaxValueBytes < 1 || MaxValueBytes > Array.MaxLength) yield return $"MaxValueBytes is {MaxValueBytes}, 1 to {Array.MaxLength} are possible";
        if (SweepInterval != Timeout.InfiniteTimeSpan && (SweepInterval < TimeSpan.FromMinutes(1) || SweepInterval > TimeSpan.FromDays(30)))
            yield return $"SweepInterval is {SweepInterval}, 1 minute to 30 days are possible, and Timeout.InfiniteTimeSpan for never";
    }

    /// <summary>The options of the connection that the cache opens itself.</summary>
    internal GridClientOptions Connection() => Client ?? GridClientOptions.Parse(ConnectionString!);

    private static string? Wrong(Action check)
    {
        try
        {
            check();
            return null;
        }
        catch (ArgumentException e)
        {
            return e.Message;
        }
    }
}
