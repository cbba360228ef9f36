using System.Text;
using Grid.Bench.Harness;
using StackExchange.Redis;

namespace Grid.Bench.Targets;

/// <summary>Redis, or what speaks its protocol, through StackExchange.Redis: one multiplexer, single gets as pooled leases.</summary>
internal sealed class RedisTarget : PageTarget
{
    private readonly ConnectionMultiplexer _multiplexer;
    private readonly IDatabase _database;
    private readonly RedisKey[] _keys = [.. Enumerable.Range(0, Payload.Keys).Select(key => (RedisKey)Encoding.ASCII.GetBytes($"page:{key:x6}"))];
    private readonly RedisKey[][] _groups;

    private RedisTarget(string name, ConnectionMultiplexer multiplexer)
    {
        Name = name;
        _multiplexer = multiplexer;
        _database = multiplexer.GetDatabase();
        _groups = [.. Enumerable.Range(0, Payload.Groups).Select(group => _keys.AsSpan(group * Payload.PagesPerGroup, Payload.PagesPerGroup).ToArray())];
    }

    /// <inheritdoc/>
    public override string Name { get; }

    /// <summary>Connects.</summary>
    /// <param name="name">What it is called in the results.</param>
    /// <param name="port">Its port on loopback.</param>
    public static async Task<RedisTarget> ConnectAsync(string name, int port)
    {
        var options = new ConfigurationOptions
        {
            EndPoints = { { "127.0.0.1", port } },
            AbortOnConnectFail = true,
            SyncTimeout = 30_000,
            AsyncTimeout = 30_000,
        };
        try
        {
            return new RedisTarget(name, await ConnectionMultiplexer.ConnectAsync(options));
        }
        catch (RedisConnectionException e)
        {
            throw new BenchException($"cannot connect to {name}: {e.Message}");
        }
    }

    /// <inheritdoc/>
    public override RequestLoop? LoopOf(CaseKind kind) => kind switch
    {
        CaseKind.Get => new Get(this),
        CaseKind.Put => new Put(this),
        CaseKind.GetBatch => new GetBatch(this),
        CaseKind.PutBatch => new PutBatch(this),
        _ => null,
    };

    /// <inheritdoc/>
    public override async Task<byte[]?> ReadAsync(int key) => await _database.StringGetAsync(_keys[key]);

    /// <inheritdoc/>
    public override async Task FillAsync(Payload payload, CancellationToken cancellation)
    {
        var pairs = new KeyValuePair<RedisKey, RedisValue>[Payload.PagesPerGroup];
        for (var group = 0; group < Payload.Groups; group++)
        {
            Fill(pairs, group, payload);
            if (!await _database.StringSetAsync(pairs).WaitAsync(cancellation)) throw new BenchException($"{Name} did not store a batch");
        }
    }

    /// <inheritdoc/>
    public override ValueTask DisposeAsync() => _multiplexer.DisposeAsync();

    private void Fill(KeyValuePair<RedisKey, RedisValue>[] pairs, int group, Payload payload)
    {
        var first = group * Payload.PagesPerGroup;
        for (var i = 0; i < pairs.Length; i++) pairs[i] = new KeyValuePair<RedisKey, RedisValue>(_keys[first + i], payload.Page(first + i));
    }

    private sealed class Get(RedisTarget target) : RequestLoop<Lease<byte>?>
    {
        protected override ValueTask<Lease<byte>?> StartAsync(Worker worker) => new(target._database.StringGetLeaseAsync(target._keys[worker.NextKey()]));

        protected override bool Finish(Lease<byte>? result)
        {
            if (result is not { Length: Payload.PageBytes }) return false;
            result.Dispose();
            return true;
        }
    }

    private sealed class Put(RedisTarget target) : RequestLoop<bool>
    {
        protected override ValueTask<bool> StartAsync(Worker worker)
        {
            var key = worker.NextKey();
            return new ValueTask<bool>(target._database.StringSetAsync(target._keys[key], worker.Payload.Page(key)));
        }

        protected override bool Finish(bool result) => result;
    }

    private sealed class GetBatch(RedisTarget target) : RequestLoop<RedisValue[]>
    {
        protected override ValueTask<RedisValue[]> StartAsync(Worker worker) => new(target._database.StringGetAsync(target._groups[worker.NextGroup()]));

        protected override bool Finish(RedisValue[] result) => result.Length == Payload.PagesPerGroup && !result[0].IsNull && !result[^1].IsNull;
    }

    private sealed class PutBatch(RedisTarget target) : RequestLoop<bool>
    {
        private readonly KeyValuePair<RedisKey, RedisValue>[][] _pairs =
        [
            .. Enumerable.Range(0, 64).Select(_ => new KeyValuePair<RedisKey, RedisValue>[Payload.PagesPerGroup]),
        ];

        protected override ValueTask<bool> StartAsync(Worker worker)
        {
            target.Fill(_pairs[worker.Number], worker.NextGroup(), worker.Payload);
            return new ValueTask<bool>(target._database.StringSetAsync(_pairs[worker.Number]));
        }

        protected override bool Finish(bool result) => result;
    }
}
