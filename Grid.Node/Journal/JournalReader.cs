using Grid.Protocol;

namespace Grid.Node.Journal;

/// <summary>
/// The node's own reads of the journal, beside Akka: paged, bounded, checked. Akka's replay pushes without back-pressure, and its replay filter drops
/// acknowledged events when an object returns to a node that wrote it before. Also the deletions. All calls run on a few threads and connections of their own;
/// they fail with <see cref="JournalUnavailableException"/> where the database can't be used, and with <see cref="JournalCorruptException"/> where
/// something is missing or damaged.
/// </summary>
public sealed class JournalReader : IDisposable
{
    private const int IdsAtOnce = 256;

    private readonly JournalDatabase _database;
    private readonly JournalConnections _reads;
    private readonly JournalConnections _writes;

    /// <summary>A reader; connects when it is first asked.</summary>
    /// <param name="options">The journal. Its tables must be there (<see cref="JournalSchema"/>).</param>
    public JournalReader(JournalOptions options)
    {
        _database = JournalDatabase.For(options);
        _reads = new JournalConnections(_database, "grid-journal-read", options.ReadThreads, options.MaxQueuedReads, _database.OpenReader);
        // One thread: deletions go one at a time.
        _writes = new JournalConnections(_database, "grid-journal-delete", 1, options.MaxQueuedReads, _database.OpenWriter);
    }

    /// <summary>Is told when the database can't be used, and when what showed it began; not when only too much waits for it.</summary>
    internal Action<Exception, long>? OnUnavailable
    {
        set => _reads.OnUnavailable = _writes.OnUnavailable = value;
    }

    /// <summary>Reads events in order. Ends early at a bound, never at a gap.</summary>
    /// <param name="persistenceId">Whose.</param>
    /// <param name="fromExclusive">The event after which to begin; 0 for the beginning.</param>
    /// <param name="toInclusive">The last event, which must be there; <see cref="long.MaxValue"/> for as far as there are any.</param>
    /// <param name="maxRows">The most events.</param>
    /// <param name="maxBytes">No further event once so many bytes are read.</param>
    /// <param name="cancellation">Gives up while the call waits for its turn.</param>
    public Task<JournalPage> ReadAsync(
        string persistenceId, long fromExclusive, long toInclusive, int maxRows, int maxBytes, CancellationToken cancellation = default)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(maxRows, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(maxBytes, 1);
        return _reads.RunAsync(
            $"reading events of {persistenceId}",
            connection => JournalQueries.ReadEvents(_database, connection, persistenceId, fromExclusive, toInclusive, maxRows, maxBytes),
            cancellation);
    }

    /// <summary>
    /// As <see cref="ReadAsync"/>, but of each event only the head (<see cref="EventReader.OpenHead"/>): what recovery needs, at 24 bytes a page instead of
    /// the page.
    /// </summary>
    /// <param name="persistenceId">Whose; an object's.</param>
    /// <param name="fromExclusive">The event after which to begin; 0 for the beginning.</param>
    /// <param name="toInclusive">The last event, which must be there; <see cref="long.MaxValue"/> for as far as there are any.</param>
    /// <param name="maxRows">The most events.</param>
    /// <param name="maxBytes">No further event once so many bytes are read.</param>
    /// <param name="cancellation">Gives up while the call waits for its turn.</param>
    public Task<JournalPage> ReadHeadsAsync(
        string persistenceId, long fromExclusive, long toInclusive, int maxRows, int maxBytes = int.MaxValue, CancellationToken cancellation = default)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(maxRows, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(maxBytes, 1);
        return _reads.RunAsync(
            $"reading heads of events of {persistenceId}",
            connection => JournalQueries.ReadHeads(_database, connection, persistenceId, fromExclusive, toInclusive, maxRows, maxBytes),
            cancellation);
    }

    /// <summary>Both ends of an object's journal: enough to know where to begin a recovery. Null where it has no events.</summary>
    /// <param name="key">The object.</param>
    /// <param name="cancellation">Gives up while the call waits for its turn.</param>
    public Task<JournalEnds?> ReadEndsAsync(ObjectKey key, CancellationToken cancellation = default) => _reads.RunAsync(
        $"reading the ends of the journal of object {key}",
        connection => JournalQueries.ReadEnds(_database, connection, key),
        cancellation);

    /// <summary>Reads one event. Missing is damage.</summary>
    /// <param name="persistenceId">Whose.</param>
    /// <param name="sequenceNr">Which.</param>
    /// <param name="cancellation">Gives up while the call waits for its turn.</param>
    public Task<ReadOnlyMemory<byte>> ReadEventAsync(string persistenceId, long sequenceNr, CancellationToken cancellation = default) => _reads.RunAsync(
        $"reading event {sequenceNr} of {persistenceId}",
        connection => JournalQueries.ReadEvent(_database, connection, persistenceId, sequenceNr),
        cancellation);

    /// <summary>As <see cref="ReadEventAsync"/>, into a buffer that is used again.</summary>
    /// <param name="persistenceId">Whose.</param>
    /// <param name="sequenceNr">Which.</param>
    /// <param name="cancellation">Gives up while the call waits for its turn.</param>
    public Task<EventBuffer> RentEventAsync(string persistenceId, long sequenceNr, CancellationToken cancellation = default) => _reads.RunAsync(
        $"reading event {sequenceNr} of {persistenceId}",
        connection => EventBuffer.Read(_database, connection, persistenceId, sequenceNr),
        cancellation);

    /// <summary>Reads and verifies the page that an event leaves at an index, without the event's other pages.</summary>
    /// <param name="key">The object.</param>
    /// <param name="sequenceNr">The event.</param>
    /// <param name="index">The index.</param>
    /// <param name="cancellation">Gives up while the call waits for its turn.</param>
    public Task<StoredPage> ReadPageAsync(ObjectKey key, long sequenceNr, uint index, CancellationToken cancellation = default) => _reads.RunAsync(
        $"reading page {new Handle(key.Pool, key.Object, index)} from event {sequenceNr}",
        connection => JournalQueries.ReadPage(_database, connection, key, sequenceNr, index),
        cancellation);

    /// <summary>The newest event's number; 0 where nothing was ever written.</summary>
    /// <param name="persistenceId">Whose.</param>
    /// <param name="cancellation">Gives up while the call waits for its turn.</param>
    public Task<long> HighestSequenceNrAsync(string persistenceId, CancellationToken cancellation = default) => _reads.RunAsync(
        $"reading the newest number of {persistenceId}",
        connection => JournalQueries.HighestSequenceNr(connection, persistenceId),
        cancellation);

    /// <summary>Persistence ids that have events, in order of their bytes.</summary>
    /// <param name="prefix">What they begin with (<see cref="JournalIds.PoolPrefix"/>).</param>
    /// <param name="after">The id after which to begin; empty for the beginning.</param>
    /// <param name="most">The most ids; fewer than that means there are no more.</param>
    /// <param name="cancellation">Gives up while the call waits for its turn.</param>
    public Task<List<string>> ListAsync(string prefix, string after, int most, CancellationToken cancellation = default)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(most, 1);
        ArgumentException.ThrowIfNullOrEmpty(prefix);
        return _reads.RunAsync($"listing {prefix}*", connection => JournalQueries.ListIds(connection, prefix, after, most), cancellation);
    }

    /// <summary>A piece of the list of a pool's objects, in order of their ids; no object is loaded for it.</summary>
    /// <param name="request">Which piece.</param>
    /// <param name="cancellation">Gives up while the call waits for its turn.</param>
    public Task<ObjectListPart> ListObjectsAsync(ObjectListRequest request, CancellationToken cancellation = default) => _reads.RunAsync(
        $"listing the objects of pool {request.Pool}", connection => JournalListing.Objects(_database, connection, request), cancellation);

    /// <summary>Looks at a piece of what the journal holds of an object and tells what is damaged; goes on after damage and changes nothing.</summary>
    /// <param name="request">Which piece.</param>
    /// <param name="cancellation">Gives up while the call waits for its turn.</param>
    public Task<VerifyPart> VerifyAsync(VerifyRequest request, CancellationToken cancellation = default)
    {
        var key = new ObjectKey(request.Pool, request.Object);
        return _reads.RunAsync(
            $"verifying object {key}", connection => JournalAudit.Step(_database, connection, key, (long)Math.Min(request.After, long.MaxValue), request.MaxBytes), cancellation);
    }

    /// <summary>Reads what somebody else than an object wrote, in order, without judging it.</summary>
    /// <param name="persistenceId">Whose.</param>
    /// <param name="fromExclusive">The event after which to begin; 0 for the beginning.</param>
    /// <param name="maxRows">The most events; fewer than that means there are no more.</param>
    /// <param name="cancellation">Gives up while the call waits for its turn.</param>
    public Task<IReadOnlyList<ForeignRow>> ReadForeignAsync(string persistenceId, long fromExclusive, int maxRows, CancellationToken cancellation = default) => _reads.RunAsync(
        $"reading events of {persistenceId}", connection => JournalListing.Foreign(connection, persistenceId, fromExclusive, maxRows), cancellation);

    /// <summary>Pages in a pool: what the newest event of every object tells. Objects written meanwhile may count as before or after.</summary>
    /// <param name="pool">The pool.</param>
    /// <param name="cancellation">Gives up between steps.</param>
    public async Task<long> CountPagesAsync(PoolId pool, CancellationToken cancellation = default)
    {
        var (pages, after) = (0L, "");
        while (true)
        {
            var ids = await ListAsync(JournalIds.PoolPrefix(pool), after, IdsAtOnce, cancellation).ConfigureAwait(false);
            pages += await _reads.RunAsync($"counting pages of pool {pool}", connection => JournalQueries.CountPages(_database, connection, ids), cancellation).ConfigureAwait(false);
            if (ids.Count < IdsAtOnce) return pages;
            after = ids[^1];
        }
    }

    /// <summary>Looks at a piece of all objects' journals for such as hold what nobody needs any more.</summary>
    /// <param name="after">The persistence id after which to begin; empty for the beginning.</param>
    /// <param name="most">The most objects to look at.</param>
    /// <param name="minDeadBytes">The least useless bytes that count.</param>
    /// <param name="deadPercent">The least share of them, in percent.</param>
    /// <param name="cancellation">Gives up while the call waits for its turn.</param>
    public Task<LeftoverPart> FindLeftoversAsync(string after, int most, long minDeadBytes, int deadPercent, CancellationToken cancellation = default) => _reads.RunAsync(
        "looking for what deletions left", connection => JournalLeftovers.Find(_database, connection, after, most, minDeadBytes, deadPercent), cancellation);

    /// <summary>Deletes everything of every persistence id that begins with a prefix, in small steps. Begun again after a crash it goes on.</summary>
    /// <param name="prefix">What they begin with (<see cref="JournalIds.PoolPrefix"/>). Nobody may write there any more.</param>
    /// <param name="cancellation">Gives up between steps.</param>
    /// <returns>Events deleted.</returns>
    public async Task<long> DeletePrefixAsync(string prefix, CancellationToken cancellation = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(prefix);
        var what = $"deleting {prefix}*";
        await WriteAsync(what, connection => { JournalDeletion.ForgetPrefix(connection, prefix); return 0; }, cancellation).ConfigureAwait(false);
        return await RepeatAsync(what, connection => JournalDeletion.StepPrefix(connection, prefix), cancellation).ConfigureAwait(false);
    }

    /// <summary>
    /// Deletes an object's events up to a number, in small steps; reads then begin after it. The newest event always stays, so write a small one first.
    /// </summary>
    /// <param name="persistenceId">Whose.</param>
    /// <param name="sequenceNr">The last event to delete. Nothing up to it may be needed any more.</param>
    /// <param name="cancellation">Gives up between steps.</param>
    /// <returns>Events deleted.</returns>
    public async Task<long> DeleteThroughAsync(string persistenceId, long sequenceNr, CancellationToken cancellation = default)
    {
        var what = $"deleting events of {persistenceId} up to {sequenceNr}";
        var noted = await WriteAsync(what, connection => JournalDeletion.NoteThrough(connection, persistenceId, sequenceNr), cancellation).ConfigureAwait(false);
        return await RepeatAsync(what, connection => JournalDeletion.StepThrough(connection, persistenceId, noted), cancellation).ConfigureAwait(false);
    }

    /// <summary>Commits a change that leaves nothing: returns where the journal can be written, fails where it can't (disk full, not writable, unreachable).</summary>
    /// <param name="cancellation">Gives up while the call waits for its turn.</param>
    public Task ProbeAsync(CancellationToken cancellation = default) =>
        WriteAsync("writing to the journal", connection => { JournalDeletion.Probe(connection); return true; }, cancellation);

    /// <summary>Takes no more calls; those begun are still answered.</summary>
    public void Dispose()
    {
        _reads.Dispose();
        _writes.Dispose();
    }

    private async Task<long> RepeatAsync(string what, Func<System.Data.Common.DbConnection, int> step, CancellationToken cancellation)
    {
        var all = 0L;
        while (await WriteAsync(what, step, cancellation).ConfigureAwait(false) is var some and > 0) all += some;
        return all;
    }

    private Task<T> WriteAsync<T>(string what, Func<System.Data.Common.DbConnection, T> work, CancellationToken cancellation) => _writes.RunAsync(what, work, cancellation);
}
