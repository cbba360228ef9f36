using Grid.Bench.Harness;
using Grid.Client;
using Grid.Protocol;

namespace Grid.Bench.Targets;

/// <summary>The Grid through its own client, one connection: a pool, gets that keep.</summary>
internal sealed class GridTarget : PageTarget
{
    private readonly GridClient _client;
    private readonly Pool _pool;
    private readonly int _pagesPerObject;

    private GridTarget(GridClient client, Pool pool, int pagesPerObject) => (_client, _pool, _pagesPerObject) = (client, pool, pagesPerObject);

    /// <inheritdoc/>
    public override string Name => "grid";

    /// <summary>Connects to a node and makes an ephemeral pool.</summary>
    /// <param name="port">The node's data port on loopback.</param>
    /// <param name="oneObject">Whether all pages go into one object; else 64 into each.</param>
    /// <param name="cancellation">Gives up.</param>
    public static Task<GridTarget> ConnectAsync(int port, bool oneObject, CancellationToken cancellation) =>
        ConnectAsync(port, new PoolOptions { PageSizeBytes = Payload.PageBytes }, oneObject ? Payload.Keys : Payload.PagesPerGroup, cancellation);

    /// <summary>Connects to a node and makes a pool.</summary>
    /// <param name="port">The node's data port on loopback.</param>
    /// <param name="options">The pool.</param>
    /// <param name="pagesPerObject">Pages that go into one object; a multiple of a group.</param>
    /// <param name="cancellation">Gives up.</param>
    public static async Task<GridTarget> ConnectAsync(int port, PoolOptions options, int pagesPerObject, CancellationToken cancellation)
    {
        var client = await GridClient.ConnectAsync($"grid://127.0.0.1:{port}?timeout=30s", cancellation);
        var pool = await client.CreatePoolAsync("bench", options, cancellation);
        return new GridTarget(client, pool, pagesPerObject);
    }

    /// <inheritdoc/>
    public override RequestLoop LoopOf(CaseKind kind) => kind switch
    {
        CaseKind.Get => new Get(this),
        CaseKind.Put => new Put(this),
        CaseKind.GetBatch => new GetBatch(this),
        CaseKind.PutBatch => new PutBatch(this),
        _ => new Echo(this),
    };

    /// <inheritdoc/>
    public override async Task<byte[]?> ReadAsync(int key)
    {
        var page = new byte[Payload.PageBytes];
        var result = await _pool.GetAsync(Object(key), Index(key), page, GetMode.Keep);
        return result.Hit ? page : null;
    }

    /// <inheritdoc/>
    public override async Task FillAsync(Payload payload, CancellationToken cancellation)
    {
        var batch = new WriteBatch();
        for (var group = 0; group < Payload.Groups; group++)
        {
            Fill(batch, group, payload);
            var result = await _pool.WriteBatchAsync(Object(group * Payload.PagesPerGroup), batch, null, null, cancellation);
            if (result.Outcome != BatchOutcome.Applied) throw new BenchException($"the node refused a batch: {result.Reason}");
        }
    }

    /// <inheritdoc/>
    public override ValueTask DisposeAsync() => _client.DisposeAsync();

    private ObjectId Object(int key) => ObjectId.FromUInt64((ulong)(key / _pagesPerObject));

    private uint Index(int key) => (uint)(key % _pagesPerObject);

    private void Fill(WriteBatch batch, int group, Payload payload)
    {
        batch.Clear();
        var first = group * Payload.PagesPerGroup;
        for (var key = first; key < first + Payload.PagesPerGroup; key++) batch.Put(Index(key), payload.Page(key));
    }

    private sealed class Get(GridTarget target) : RequestLoop<GetResult>
    {
        protected override ValueTask<GetResult> StartAsync(Worker worker)
        {
            var key = worker.NextKey();
            return target._pool.GetAsync(target.Object(key), target.Index(key), worker.Buffer.AsMemory(0, Payload.PageBytes), GetMode.Keep);
        }

        protected override bool Finish(GetResult result) => result.Hit;
    }

    private sealed class Put(GridTarget target) : RequestLoop<PutResult>
    {
        protected override ValueTask<PutResult> StartAsync(Worker worker)
        {
            var key = worker.NextKey();
            return target._pool.PutAsync(target.Object(key), target.Index(key), worker.Payload.Page(key));
        }

        protected override bool Finish(PutResult result) => result.Stored;
    }

    private sealed class GetBatch(GridTarget target) : RequestLoop<GetBatchResult>
    {
        private readonly uint[][] _indexes =
        [
            .. Enumerable.Range(0, Payload.Groups).Select(group => Enumerable.Range(group * Payload.PagesPerGroup, Payload.PagesPerGroup).Select(target.Index).ToArray()),
        ];

        protected override ValueTask<GetBatchResult> StartAsync(Worker worker)
        {
            var group = worker.NextGroup();
            return target._pool.GetBatchAsync(target.Object(group * Payload.PagesPerGroup), _indexes[group], worker.Buffer, GetMode.Keep);
        }

        protected override bool Finish(GetBatchResult result) => result.Hits.Count == Payload.PagesPerGroup;
    }

    private sealed class PutBatch(GridTarget target) : RequestLoop<WriteBatchResult>
    {
        private readonly WriteBatch[] _batches = [.. Enumerable.Range(0, 64).Select(_ => new WriteBatch())];

        protected override ValueTask<WriteBatchResult> StartAsync(Worker worker)
        {
            var group = worker.NextGroup();
            target.Fill(_batches[worker.Number], group, worker.Payload);
            return target._pool.WriteBatchAsync(target.Object(group * Payload.PagesPerGroup), _batches[worker.Number]);
        }

        protected override bool Finish(WriteBatchResult result) => result.Outcome == BatchOutcome.Applied;
    }

    private sealed class Echo(GridTarget target) : RequestLoop<int>
    {
        protected override ValueTask<int> StartAsync(Worker worker) => target._client.EchoAsync(worker.Buffer.AsMemory(0, Payload.PageBytes));

        protected override bool Finish(int result) => result == Payload.PageBytes;
    }
}
