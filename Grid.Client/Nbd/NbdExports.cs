using System.Security.Cryptography;
using Grid.Protocol;

namespace Grid.Client;

/// <summary>
/// The block devices that the nodes serve over NBD. Their definitions are pages of the pool <see cref="PoolName"/>, so that every node serves every export. Safe for use by several
/// threads, and by several programs at once.
/// </summary>
public sealed class NbdExports
{
    /// <summary>The persistent, private pool that holds the definitions. Whoever freezes or destroys it takes them along.</summary>
    public const string PoolName = "grid:nbd";

    /// <summary>The most exports there can be.</summary>
    public const int MaxExports = 254;

    /// <summary>Page 0 is written with every change, so that two changes at once are one after the other; a definition is one of the pages behind it, one of which stays free for changes.</summary>
    private const int Slots = MaxExports + 1;
    private static readonly ObjectId Object = NbdExport.ObjectOf(ulong.MaxValue);
    private static readonly ReadOnlyMemory<uint> Indexes = Enumerable.Range(0, Slots + 1).Select(index => (uint)index).ToArray();

    /// <summary>A change that was applied unheard is found when the definitions are read again.</summary>
    private static readonly CallOptions AtLeastOnce = new() { AtLeastOnce = true };

    private readonly GridClient _client;
    private Pool? _pool;

    /// <summary>The exports of a grid.</summary>
    /// <param name="client">How it is reached; it is not closed here.</param>
    public NbdExports(GridClient client)
    {
        ArgumentNullException.ThrowIfNull(client);
        _client = client;
    }

    /// <summary>All exports, by name.</summary>
    /// <param name="cancellationToken">Gives the call up.</param>
    /// <exception cref="GridException">The definitions cannot be read.</exception>
    public async ValueTask<IReadOnlyList<NbdExport>> ListAsync(CancellationToken cancellationToken = default)
    {
        var pool = await OpenAsync(create: false, cancellationToken).ConfigureAwait(false);
        if (pool is null) return [];
        try
        {
            return (await ReadAsync(pool, cancellationToken).ConfigureAwait(false)).Exports;
        }
        catch (NoSuchPoolException)
        {
            // Destroyed, and perhaps made anew since: the next call looks.
            Volatile.Write(ref _pool, null);
            return [];
        }
    }

    /// <summary>Makes an export, and its pool where there is none of that name.</summary>
    /// <param name="name">Its name: what a pool's may be.</param>
    /// <param name="sizeBytes">Bytes of the device, a multiple of the page size, at most <see cref="NbdExport.MaxSizeBytes"/>.</param>
    /// <param name="pool">The pool that is to hold its pages. One that exists must be persistent, of no other export, and without a quota less than the device.</param>
    /// <param name="options">The attributes of a pool that is made for it; persistent and private in any case. Without a quota nothing that the device can hold is refused for one.</param>
    /// <param name="readOnly">Whether writes are refused.</param>
    /// <param name="cancellationToken">Gives the call up.</param>
    /// <exception cref="ArgumentException">A name, the size or the options make no sense, or the pool cannot hold the device; the message says why.</exception>
    /// <exception cref="GridException">There is such an export, or it failed; see <see cref="GridException.Outcome"/>.</exception>
    public ValueTask<NbdExport> CreateAsync(
        string name, long sizeBytes, string pool, PoolOptions? options = null, bool readOnly = false, CancellationToken cancellationToken = default)
    {
        var export = new NbdExport { Name = name, Pool = pool, SizeBytes = sizeBytes, PageSizeBytes = 0, ReadOnly = readOnly, Id = NewId() };
        return CreateAsync(export, (options ?? new PoolOptions()) with { Kind = PoolKind.Persistent, Sharing = PoolSharing.Private }, cancellationToken);
    }

    /// <summary>
    /// Makes an export of which the grid caches pages, and its pool where there is none of that name. Whether the origin can be opened is not looked at here but by the nodes, when a client asks for
    /// the export: what the first of them finds is what all others must find, too.
    /// </summary>
    /// <param name="name">Its name: what a pool's may be.</param>
    /// <param name="origin">Where its bytes are.</param>
    /// <param name="sizeBytes">Bytes of the device, a multiple of 512, at most <see cref="NbdExport.MaxSizeBytes"/>; 0: as many as the origin has, which a backing does not know.</param>
    /// <param name="pool">The pool of the pages that are cached: ephemeral. Several exports with origins may share one.</param>
    /// <param name="options">The attributes of a pool that is made for it; ephemeral and private in any case.</param>
    /// <param name="readOnly">Whether writes are refused.</param>
    /// <param name="cancellationToken">Gives the call up.</param>
    /// <exception cref="ArgumentException">A name, the size, the origin or the options make no sense, or the pool is persistent; the message says why.</exception>
    /// <exception cref="GridException">There is such an export, or one that writes to this origin, or it failed; see <see cref="GridException.Outcome"/>.</exception>
    public ValueTask<NbdExport> CreateWithOriginAsync(
        string name, NbdOrigin origin, long sizeBytes, string pool, PoolOptions? options = null, bool readOnly = false, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(origin);
        if (origin.Validate() is { } wrong) throw new ArgumentException($"The {wrong}.", nameof(origin));
        var export = new NbdExport { Name = name, Pool = pool, SizeBytes = sizeBytes, PageSizeBytes = 0, ReadOnly = readOnly, Origin = origin, Id = NewId() };
        return CreateAsync(export, (options ?? new PoolOptions()) with { Kind = PoolKind.Ephemeral, Sharing = PoolSharing.Private }, cancellationToken);
    }

    /// <summary>Notes what an origin is recognized by, unless that is noted already.</summary>
    /// <param name="id">The export's number.</param>
    /// <param name="seal">What it is recognized by.</param>
    /// <param name="sizeBytes">Its bytes, which the device has from now on if it had no size yet.</param>
    /// <param name="cancellationToken">Gives the call up.</param>
    /// <returns>The export with what is noted, which may be what another node has noted before.</returns>
    /// <exception cref="GridException">There is no such export any more, or it failed; see <see cref="GridException.Outcome"/>.</exception>
    internal async ValueTask<NbdExport> SealAsync(ulong id, string seal, long sizeBytes, CancellationToken cancellationToken)
    {
        NbdExport? known = null;
        return await ChangeAsync(
            exports =>
            {
                known = exports.FirstOrDefault(export => export.Id == id) ?? throw new GridException("The export was removed.", CallOutcome.NotApplied);
                return known.Seal.Length > 0 ? null : known with { Seal = seal, SizeBytes = known.SizeBytes == 0 ? sizeBytes : known.SizeBytes, Revision = known.Revision + 1 };
            },
            () => known!,
            cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Makes a device larger. Who is connected sees it after the next connect.</summary>
    /// <param name="name">The export.</param>
    /// <param name="sizeBytes">Its new size, at least the old one.</param>
    /// <param name="cancellationToken">Gives the call up.</param>
    /// <exception cref="ArgumentException">The size makes no sense, is less than it was, or is more than the quota of the pool.</exception>
    /// <exception cref="GridException">There is no such export, or it failed; see <see cref="GridException.Outcome"/>.</exception>
    public async ValueTask<NbdExport> ResizeAsync(string name, long sizeBytes, CancellationToken cancellationToken = default)
    {
        var old = Require(await ListAsync(cancellationToken).ConfigureAwait(false), name);
        if (old.Origin is { IsBacking: false }) throw new ArgumentException($"Export '{name}' is as large as was said when it was made, or as its origin: remove it and make it anew.", nameof(sizeBytes));
        var pool = await _client.OpenPoolAsync(old.Pool, cancellationToken).ConfigureAwait(false);
        NbdExport Resized(NbdExport export)
        {
            var resized = export with { SizeBytes = sizeBytes, Revision = export.Revision + 1 };
            if (resized.ValidateSize() is { } wrong) throw new ArgumentException($"The {wrong}.", nameof(sizeBytes));
            if (sizeBytes < export.SizeBytes)
                throw new ArgumentException($"Export '{name}' has {export.SizeBytes} bytes and cannot shrink to {sizeBytes}: what lies behind would be lost.", nameof(sizeBytes));
            RequireFits(pool.Info, resized, nameof(sizeBytes));
            return resized;
        }

        return await ChangeAsync(
            exports =>
            {
                var export = Require(exports, name);
                return export.SizeBytes == sizeBytes ? null : Resized(export);
            },
            () => Resized(old),
            cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Removes a definition. The pool with the device's pages stays: destroy it to remove them, or make an export with it again. Who is connected is disconnected within seconds.</summary>
    /// <param name="name">The export.</param>
    /// <param name="cancellationToken">Gives the call up.</param>
    /// <returns>What was removed.</returns>
    /// <exception cref="GridException">There is no such export, or it failed; see <see cref="GridException.Outcome"/>.</exception>
    public async ValueTask<NbdExport> RemoveAsync(string name, CancellationToken cancellationToken = default)
    {
        var pool = await OpenAsync(create: false, cancellationToken).ConfigureAwait(false) ?? throw NoSuchExport(name);
        NbdExport? removed = null;
        while (true)
        {
            var state = await ReadAsync(pool, cancellationToken).ConfigureAwait(false);
            // Gone after an attempt of which nothing was heard: that was it.
            if (state.Exports.FirstOrDefault(export => export.Name == name) is not { } found) return removed ?? throw NoSuchExport(name);
            if (removed is not null && removed.Id != found.Id) return removed;
            removed = found;
            var batch = new WriteBatch();
            foreach (var (slot, export) in state.Definitions.Where(definition => definition.Export.Name == name)) batch.Flush(slot);
            if (await WriteAsync(pool, batch, state, cancellationToken).ConfigureAwait(false) != BatchOutcome.ConditionFailed) return removed;
        }
    }

    private static ulong NewId() => BitConverter.ToUInt64(RandomNumberGenerator.GetBytes(sizeof(ulong))) | 1;

    private async ValueTask<NbdExport> CreateAsync(NbdExport wanted, PoolOptions options, CancellationToken cancellationToken)
    {
        var (name, pool) = (wanted.Name, wanted.Pool);
        if (PoolOptions.ValidateName(name) is { } wrongName) throw new ArgumentException($"The export's name makes no sense: {wrongName}.");
        if (PoolOptions.ValidateName(pool) is { } wrongPool) throw new ArgumentException($"The pool's name makes no sense: {wrongPool}.");
        if (pool == PoolName) throw new ArgumentException($"Pool '{PoolName}' holds the definitions of exports, not a device.");
        if ((wanted with { PageSizeBytes = options.PageSizeBytes }).ValidateSize() is { } wrongSize) throw new ArgumentException($"The {wrongSize}.");
        // Whether the name is free is looked at first: no pool is made for an export that cannot be. It is looked at again when the definition is written.
        RequireFree(await ListAsync(cancellationToken).ConfigureAwait(false), wanted);
        var info = await EnsurePoolAsync(pool, options, cancellationToken).ConfigureAwait(false);
        var export = wanted with { PageSizeBytes = info.Options.PageSizeBytes };
        RequireFits(info, export, nameof(NbdExport.Pool));
        return await ChangeAsync(
            exports =>
            {
                // Its own first attempt may have been applied although nothing was heard of it.
                if (exports.Any(other => other.Id == export.Id)) return null;
                RequireFree(exports, export);
                return export;
            },
            () => export,
            cancellationToken).ConfigureAwait(false);
    }

    private static NbdExport Require(IReadOnlyList<NbdExport> exports, string name) => exports.FirstOrDefault(export => export.Name == name) ?? throw NoSuchExport(name);

    private static GridException NoSuchExport(string name) => new($"There is no export '{name}'.", CallOutcome.NotApplied);

    private static void RequireFree(IReadOnlyList<NbdExport> exports, NbdExport wanted)
    {
        if (exports.Any(export => export.Name == wanted.Name)) throw new GridException($"There is an export '{wanted.Name}' already.", CallOutcome.NotApplied);
        // Pages of devices with origins have the devices' numbers in their addresses.
        if (exports.FirstOrDefault(export => export.Pool == wanted.Pool && (export.Origin is null || wanted.Origin is null)) is { } other)
            throw new GridException($"Pool '{wanted.Pool}' holds the pages of export '{other.Name}': name another one.", CallOutcome.NotApplied);
        // What is written through one device would not be noticed by the other, which has pages of its own.
        if (exports.FirstOrDefault(export => export.Origin?.Location == wanted.Origin?.Location && wanted.Origin is not null && !(export.ReadOnly && wanted.ReadOnly)) is { } writer)
            throw new GridException($"Export '{writer.Name}' has the same origin, {wanted.Origin!.Location}: only exports that are all read-only may share one.", CallOutcome.NotApplied);
        if (exports.Count >= MaxExports) throw new GridException($"There are {MaxExports} exports already, the most there can be.", CallOutcome.NotApplied);
    }

    private static void RequireFits(PoolInfo pool, NbdExport export, string argument)
    {
        var options = pool.Options;
        if (export.Origin is not null)
        {
            if (options.Kind != PoolKind.Ephemeral) throw new ArgumentException($"Pool '{pool.Name}' is persistent: what is only a copy of the origin would fill it and never make room. Name an ephemeral one.", argument);
            return;
        }

        var pages = (ulong)(export.SizeBytes / options.PageSizeBytes);
        if (options.Kind != PoolKind.Persistent)
            throw new ArgumentException($"Pool '{pool.Name}' is ephemeral: a device's pages must not vanish. Give the device an origin or a backing that holds them, too, or a persistent pool.", argument);
        if (options.QuotaPages > 0 && options.QuotaPages < pages)
            throw new ArgumentException($"Pool '{pool.Name}' has a quota of {options.QuotaPages} pages, the device has {pages}: writes would be refused one day.", argument);
        if (export.ValidateSize() is { } wrong) throw new ArgumentException($"The {wrong}.", argument);
    }

    private async ValueTask<PoolInfo> EnsurePoolAsync(string name, PoolOptions options, CancellationToken cancellationToken)
    {
        try
        {
            return (await _client.OpenPoolAsync(name, cancellationToken).ConfigureAwait(false)).Info;
        }
        catch (NoSuchPoolException)
        {
            return (await _client.CreatePoolAsync(name, options, cancellationToken).ConfigureAwait(false)).Info;
        }
    }

    /// <summary>Writes a definition in a free slot and takes the old one of its name away in the same instant, until nobody else wrote in between.</summary>
    /// <param name="next">The new definition, of what there is; null where there is nothing left to do.</param>
    /// <param name="goal">What is returned then.</param>
    /// <param name="cancellationToken">Gives up.</param>
    private async ValueTask<NbdExport> ChangeAsync(Func<IReadOnlyList<NbdExport>, NbdExport?> next, Func<NbdExport> goal, CancellationToken cancellationToken)
    {
        var pool = (await OpenAsync(create: true, cancellationToken).ConfigureAwait(false))!;
        while (true)
        {
            var state = await ReadAsync(pool, cancellationToken).ConfigureAwait(false);
            if (next(state.Exports) is not { } export) return goal();
            var taken = state.Definitions.Select(definition => definition.Slot).ToHashSet();
            var batch = new WriteBatch().Put(Enumerable.Range(1, Slots).Select(slot => (uint)slot).First(slot => !taken.Contains(slot)), export.ToPage());
            var outcome = await WriteAsync(pool, batch, state, cancellationToken).ConfigureAwait(false);
            if (outcome == BatchOutcome.Refused) throw new GridException($"Pool '{PoolName}' refused the definition (is it frozen?); nothing was changed.", CallOutcome.NotApplied);
            if (outcome == BatchOutcome.ConditionFailed) continue;
            // A refusal of the put would have emptied the old one's page too, had it been in the same batch.
            await TidyAsync(pool, cancellationToken).ConfigureAwait(false);
            return export;
        }
    }

    /// <summary>Takes definitions away that a newer one of the same name has replaced.</summary>
    private async ValueTask TidyAsync(Pool pool, CancellationToken cancellationToken)
    {
        while (true)
        {
            var state = await ReadAsync(pool, cancellationToken).ConfigureAwait(false);
            var newest = state.Exports.ToDictionary(export => export.Name, export => export.Revision);
            var batch = new WriteBatch();
            foreach (var (slot, export) in state.Definitions.Where(definition => definition.Export.Revision < newest[definition.Export.Name])) batch.Flush(slot);
            if (batch.Count == 0 || await WriteAsync(pool, batch, state, cancellationToken).ConfigureAwait(false) != BatchOutcome.ConditionFailed) return;
        }
    }

    /// <summary>Changes definitions if nobody else has since they were read. A refusal leaves the pages of the batch empty, as if they had been flushed.</summary>
    private static async ValueTask<BatchOutcome> WriteAsync(Pool pool, WriteBatch batch, State state, CancellationToken cancellationToken) =>
        (await pool.WriteBatchAsync(Object, batch.Put(0, new byte[pool.PageSizeBytes]), state.Version, AtLeastOnce, cancellationToken).ConfigureAwait(false)).Outcome;

    private static async ValueTask<State> ReadAsync(Pool pool, CancellationToken cancellationToken)
    {
        var pages = new byte[Indexes.Length * pool.PageSizeBytes];
        var result = await pool.GetBatchAsync(Object, Indexes, pages, GetMode.Keep, cancellationToken: cancellationToken).ConfigureAwait(false);
        var definitions = new List<(uint Slot, NbdExport Export)>();
        for (var slot = 1; slot <= Slots; slot++)
            if (result.Hits[slot]) definitions.Add(((uint)slot, NbdExport.FromPage(pages.AsSpan(slot * pool.PageSizeBytes, pool.PageSizeBytes))));
        var exports = definitions.Select(definition => definition.Export).GroupBy(export => export.Name, StringComparer.Ordinal).Select(same => same.MaxBy(export => export.Revision)!);
        return new State([.. exports.OrderBy(export => export.Name, StringComparer.Ordinal)], definitions, result.Version);
    }

    private async ValueTask<Pool?> OpenAsync(bool create, CancellationToken cancellationToken)
    {
        if (Volatile.Read(ref _pool) is { } known) return known;
        Pool pool;
        try
        {
            pool = await _client.OpenPoolAsync(PoolName, cancellationToken).ConfigureAwait(false);
        }
        catch (NoSuchPoolException) when (!create)
        {
            return null;
        }
        catch (NoSuchPoolException)
        {
            pool = await CreatePoolAsync(cancellationToken).ConfigureAwait(false);
        }

        Volatile.Write(ref _pool, pool);
        return pool;
    }

    private async ValueTask<Pool> CreatePoolAsync(CancellationToken cancellationToken)
    {
        try
        {
            return await _client.CreatePoolAsync(PoolName, new PoolOptions { Kind = PoolKind.Persistent }, cancellationToken).ConfigureAwait(false);
        }
        catch (PoolExistsException)
        {
            // Somebody else made it at the same moment.
            return await _client.OpenPoolAsync(PoolName, cancellationToken).ConfigureAwait(false);
        }
    }

    /// <summary>The definitions at one instant.</summary>
    /// <param name="Exports">The newest of each name, by name.</param>
    /// <param name="Definitions">All of them, with the pages they are in.</param>
    /// <param name="Version">The object's version then.</param>
    private sealed record State(IReadOnlyList<NbdExport> Exports, IReadOnlyList<(uint Slot, NbdExport Export)> Definitions, ObjectVersion Version);
}
