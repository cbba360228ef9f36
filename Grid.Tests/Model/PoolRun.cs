using Grid.Client;
using Grid.Protocol;
using Grid.Tests.Harness;

namespace Grid.Tests.Model;

/// <summary>One pool of a run: applies operations to the grid and to the reference, which judges the answers.</summary>
internal sealed class PoolRun
{
    private readonly string _name;
    private readonly PoolOptions _options;
    private readonly bool _underPressure;
    private readonly Dictionary<int, List<ObjectVersion>> _versions = [];
    private readonly ObjectId _salt = Names.Object();
    private GridClient _client;
    private Pool _pool;
    private ReferencePool _reference;
    private ulong _number;

    private PoolRun(GridClient client, string name, PoolOptions options, Pool pool, bool underPressure)
    {
        (_client, _name, _options, _pool, _underPressure) = (client, name, options, pool, underPressure);
        _reference = new ReferencePool(options) { UnderPressure = underPressure };
    }

    public static async Task<PoolRun> CreateAsync(GridClient client, PoolOptions options, bool underPressure = false)
    {
        var name = Names.Unique("model");
        return new PoolRun(client, name, options, await client.CreatePoolAsync(name, options), underPressure);
    }

    public async Task ApplyAsync(Operation operation)
    {
        try
        {
            await ApplyOnceAsync(operation);
        }
        catch (ContractViolationException e)
        {
            throw new ContractViolationException($"{_options.Kind} {_options.Sharing}: {operation}: {e.Message}");
        }
    }

    /// <summary>Goes on with a new client after the node came back.</summary>
    public async Task ReopenAsync(GridClient client)
    {
        _client = client;
        var before = _pool.Info;
        _pool = await client.OpenPoolAsync(_name);
        if (_pool.Info != before with { Frozen = _reference.Frozen }) throw new ContractViolationException($"{before} came back as {_pool.Info}");
        _reference.Restarted();
    }

    /// <summary>Every handle once more: all the reference holds, and all it does not.</summary>
    public async Task AuditAsync()
    {
        for (var id = 0; id < Operation.Objects; id++)
            for (var page = 0; page < Operation.Indexes.Length; page++)
                await ApplyAsync(new Operation(OperationKind.Get, 0, id, page, GetMode.Keep, 0, []));
    }

    public async Task DestroyAsync() => await _client.DestroyPoolAsync(_name);

    public async Task<PoolStat> StatAsync() => await _client.StatPoolAsync(_name);

    private async Task ApplyOnceAsync(Operation operation)
    {
        var id = IdOf(operation.Object);
        var index = Operation.Indexes[operation.Page];
        switch (operation.Kind)
        {
            case OperationKind.Put:
                var put = await _pool.PutAsync(id, index, NewPage(out var number));
                _reference.Put(operation.Object, index, number, put);
                Remember(operation.Object, put.Version);
                break;
            case OperationKind.Get:
                var (hit, page, version) = await _pool.ReadAsync(id, index, operation.Mode);
                _reference.Get(operation.Object, index, Takes(operation.Mode), hit ? NumberOf(page) : null, version);
                Remember(operation.Object, version);
                break;
            case OperationKind.FlushPage:
                var flush = await _pool.FlushPageAsync(id, index);
                _reference.FlushPage(operation.Object, index, flush);
                Remember(operation.Object, flush.Version);
                break;
            case OperationKind.FlushObject:
                var flushAll = await _pool.FlushObjectAsync(id);
                _reference.FlushObject(operation.Object, flushAll);
                Remember(operation.Object, flushAll.Version);
                break;
            case OperationKind.WriteBatch:
                await WriteBatchAsync(operation, id);
                break;
            case OperationKind.GetBatch:
                await GetBatchAsync(operation, id);
                break;
            case OperationKind.Freeze:
            case OperationKind.Thaw:
                _reference.Frozen = operation.Kind == OperationKind.Freeze;
                var info = _reference.Frozen ? await _client.FreezePoolAsync(_name) : await _client.ThawPoolAsync(_name);
                if (info.Frozen != _reference.Frozen) throw new ContractViolationException($"answered {info}");
                break;
            case OperationKind.Recreate:
                await RecreateAsync();
                break;
            default:
                throw new InvalidOperationException($"{operation.Kind} is not an operation of a pool");
        }
    }

    private async Task WriteBatchAsync(Operation operation, ObjectId id)
    {
        var batch = new WriteBatch();
        var entries = new List<(uint Index, ulong? Number)>();
        foreach (var entry in operation.Entries)
        {
            var index = Operation.Indexes[entry.Page];
            if (entry.Flush)
            {
                batch.Flush(index);
                entries.Add((index, null));
            }
            else
            {
                batch.Put(index, NewPage(out var number));
                entries.Add((index, number));
            }
        }

        var condition = ConditionOf(operation);
        var result = await _pool.WriteBatchAsync(id, batch, condition);
        _reference.WriteBatch(operation.Object, entries, condition, result);
        Remember(operation.Object, result.Version);
    }

    private async Task GetBatchAsync(Operation operation, ObjectId id)
    {
        var indexes = operation.Entries.Select(entry => Operation.Indexes[entry.Page]).ToArray();
        var pages = new byte[indexes.Length * _pool.PageSizeBytes];
        var condition = ConditionOf(operation);
        var result = await _pool.GetBatchAsync(id, indexes, pages, operation.Mode, condition);
        var found = new ulong?[indexes.Length];
        for (var i = 0; i < indexes.Length && result.Outcome == BatchOutcome.Applied; i++)
            if (result.Hits[i]) found[i] = NumberOf(pages.AsSpan(i * _pool.PageSizeBytes, _pool.PageSizeBytes));
        _reference.GetBatch(operation.Object, indexes, Takes(operation.Mode), condition, result, found);
        Remember(operation.Object, result.Version);
    }

    private async Task RecreateAsync()
    {
        var former = _pool.Id;
        if (!await _client.DestroyPoolAsync(_name)) throw new ContractViolationException("a destroy on one node stayed in progress");
        _pool = await _client.CreatePoolAsync(_name, _options);
        if (_pool.Id == former) throw new ContractViolationException($"pool id {former} was used twice");
        _reference = new ReferencePool(_options) { UnderPressure = _underPressure };
        _versions.Clear();
    }

    private ObjectId IdOf(int number) => new(_salt.Word0, _salt.Word1, (ulong)number);

    private bool Takes(GetMode mode) => mode == GetMode.Take || (mode == GetMode.PoolDefault && _options.GetTakesByDefault);

    private byte[] NewPage(out ulong number)
    {
        number = ++_number;
        return PageBytes.Mixed(number, _options.PageSizeBytes);
    }

    /// <summary>Which put made this page; every byte must be of that put.</summary>
    private ulong NumberOf(ReadOnlySpan<byte> page)
    {
        var number = PageBytes.NumberOf(page);
        if (number == 0 || number > _number || !page.SequenceEqual(PageBytes.Mixed(number, _options.PageSizeBytes)))
            throw new ContractViolationException($"nobody put this page: {PageBytes.Describe(page)}");
        return number;
    }

    private void Remember(int id, ObjectVersion version)
    {
        if (!_versions.TryGetValue(id, out var versions)) _versions.Add(id, versions = []);
        if (versions.Count == 0 || versions[^1] != version) versions.Add(version);
    }

    private ObjectVersion? ConditionOf(Operation operation) =>
        operation.Condition > 0 && _versions.TryGetValue(operation.Object, out var versions) && versions.Count > 0
            ? versions[^Math.Min(operation.Condition, versions.Count)]
            : null;
}
