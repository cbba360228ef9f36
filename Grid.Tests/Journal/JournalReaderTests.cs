using System.Data.Common;
using System.Runtime.InteropServices;
using Akka.Actor;
using Grid.Node.Journal;
using Grid.Protocol;
using Grid.Tests.Harness;
using Npgsql;
using Xunit;

namespace Grid.Tests.Journal;

public abstract class JournalReaderTests(IJournalHome home)
{
    private static readonly ObjectKey Key = JournalBed.Key;

    /// <summary>What the database says when it waited for a lock in vain.</summary>
    protected abstract string LockedText { get; }

    /// <summary>A database that is not there.</summary>
    protected abstract JournalOptions Elsewhere(JournalOptions options);

    [Theory]
    [InlineData(3, int.MaxValue)]
    [InlineData(100, 1)]
    [InlineData(100, 10000)]
    [InlineData(10, int.MaxValue)]
    public async Task Pages_of_a_bounded_size_give_all_events_in_order(int maxRows, int maxBytes)
    {
        await using var bed = await WithEventsAsync(10);
        var (all, after, isLast) = (new List<long>(), 0L, false);
        while (!isLast)
        {
            var page = await bed.Reader.ReadAsync(JournalBed.Id, after, 10, maxRows, maxBytes);
            Assert.InRange(page.Rows.Count, page.IsLast ? 0 : 1, maxRows);
            all.AddRange(page.Rows.Select(row => row.SequenceNr));
            (after, isLast) = (all[^1], page.IsLast);
        }

        Assert.Equal(Enumerable.Range(1, 10).Select(i => (long)i), all);
    }

    [Fact]
    public async Task A_missing_event_is_damage_and_named()
    {
        await using var bed = await WithEventsAsync(6);
        bed.Execute("DELETE FROM journal WHERE sequence_number = 4");
        var failure = await Assert.ThrowsAsync<JournalCorruptException>(() => bed.Reader.ReadAsync(JournalBed.Id, 0, long.MaxValue, 100, int.MaxValue));
        Assert.Contains("event 4 is missing", failure.Message, StringComparison.Ordinal);
        Assert.Contains(Key.ToString(), failure.Message, StringComparison.Ordinal);
        await Assert.ThrowsAsync<JournalCorruptException>(() => bed.Reader.ReadHeadsAsync(JournalBed.Id, 0, long.MaxValue, 100));
        await Assert.ThrowsAsync<JournalCorruptException>(() => bed.Reader.ReadEventAsync(JournalBed.Id, 4));
        await Assert.ThrowsAsync<JournalCorruptException>(() => bed.Reader.ReadPageAsync(Key, 4, 4));
        Assert.Equal(3, (await bed.Reader.ReadAsync(JournalBed.Id, 0, 3, 100, int.MaxValue)).Rows.Count);
        Assert.Equal(2, (await bed.Reader.ReadAsync(JournalBed.Id, 4, 6, 100, int.MaxValue)).Rows.Count);
    }

    [Fact]
    public async Task A_missing_beginning_or_end_is_damage()
    {
        await using var bed = await WithEventsAsync(6);
        bed.Execute("DELETE FROM journal WHERE sequence_number IN (1, 6)");
        await Assert.ThrowsAsync<JournalCorruptException>(() => bed.Reader.ReadAsync(JournalBed.Id, 0, 5, 100, int.MaxValue));
        await Assert.ThrowsAsync<JournalCorruptException>(() => bed.Reader.ReadAsync(JournalBed.Id, 1, 6, 100, int.MaxValue));
        Assert.True((await bed.Reader.ReadAsync(JournalBed.Id, 1, long.MaxValue, 100, int.MaxValue)).IsLast);
    }

    [Fact]
    public async Task Somebody_elses_event_is_damage()
    {
        await using var bed = await WithEventsAsync(3);
        bed.Execute("UPDATE journal SET manifest = 'W0' WHERE sequence_number = 2");
        await Assert.ThrowsAsync<JournalCorruptException>(() => bed.Reader.ReadAsync(JournalBed.Id, 0, 3, 100, int.MaxValue));
        bed.Execute("UPDATE journal SET manifest = 'W1', identifier = 5 WHERE sequence_number = 2");
        await Assert.ThrowsAsync<JournalCorruptException>(() => bed.Reader.ReadEventAsync(JournalBed.Id, 2));
    }

    [Fact]
    public async Task A_deleted_beginning_is_no_damage()
    {
        await using var bed = await WithEventsAsync(10);
        Assert.Equal(7, await bed.Reader.DeleteThroughAsync(JournalBed.Id, 7));
        Assert.Equal(3, bed.Scalar("SELECT count(*) FROM journal"));
        Assert.Equal([8, 9, 10], (await bed.Reader.ReadAsync(JournalBed.Id, 0, 10, 100, int.MaxValue)).Rows.Select(row => row.SequenceNr));
        Assert.Equal([9, 10], (await bed.Reader.ReadHeadsAsync(JournalBed.Id, 8, 10, 100)).Rows.Select(row => row.SequenceNr));
        // A deletion that was cut short left events that are no part of the journal any more.
        bed.Execute("UPDATE journal_metadata SET sequence_number = 8");
        Assert.Equal([9, 10], (await bed.Reader.ReadAsync(JournalBed.Id, 0, 10, 100, int.MaxValue)).Rows.Select(row => row.SequenceNr));
        Assert.Equal(1, await bed.Reader.DeleteThroughAsync(JournalBed.Id, 1));
        Assert.Equal(10, await bed.Reader.HighestSequenceNrAsync(JournalBed.Id));
        bed.Execute("DELETE FROM journal WHERE sequence_number = 9");
        await Assert.ThrowsAsync<JournalCorruptException>(() => bed.Reader.ReadAsync(JournalBed.Id, 0, 10, 100, int.MaxValue));
    }

    [Fact]
    public async Task The_newest_event_stays_and_numbers_go_on()
    {
        await using var bed = await WithEventsAsync(4);
        Assert.Equal(3, await bed.Reader.DeleteThroughAsync(JournalBed.Id, 400));
        Assert.Equal(4, Assert.Single((await bed.Reader.ReadAsync(JournalBed.Id, 0, 4, 100, int.MaxValue)).Rows).SequenceNr);
        Assert.Equal(0, await bed.Reader.DeleteThroughAsync("o-9-none", 5));
        var (_, parent) = bed.Start();
        await bed.WritePagesAsync(parent, Key, 1);
        Assert.Equal(5, await bed.Reader.HighestSequenceNrAsync(JournalBed.Id));
    }

    [Fact]
    public async Task Heads_beyond_the_bytes_asked_for_are_neither_fetched_nor_held()
    {
        await using var bed = await JournalBed.WithTablesAsync(home);
        const int Events = 1000;
        // Of 64 pages each, as when many puts share an event: what is fetched without knowing a head's length is four times as long.
        var builder = new EventBuilder(4096);
        for (var i = 0u; i < 64; i++) builder.Put(i, Grid.Node.Memory.PageCodec.Raw, JournalBed.Page(Key, i));
        var bytes = builder.ToEvent(Key, 1, 64).Bytes.ToArray();
        using (var appender = JournalDatabase.For(bed.Options).OpenAppender())
        {
            for (var from = 1; from <= Events; from += 100)
                appender.Append([new JournalWrite([.. Enumerable.Range(from, 100).Select(nr => new NewRow(JournalBed.Id, nr, "W2", JournalEventSerializer.Id, 1, "w", bytes))])]);
        }

        var database = JournalDatabase.For(bed.Options);
        using var connection = database.OpenReader();
        JournalQueries.ReadHeads(database, connection, JournalBed.Id, 0, long.MaxValue, 1, 1);
        var before = GC.GetAllocatedBytesForCurrentThread();
        var page = JournalQueries.ReadHeads(database, connection, JournalBed.Id, 0, long.MaxValue, 1024, 20_000);
        var allocated = GC.GetAllocatedBytesForCurrentThread() - before;
        Assert.True(allocated < 1500_000, $"{allocated} bytes");
        Assert.InRange(page.Rows.Sum(row => (long)row.Payload.Length), 20_000, 23_000);
        Assert.All(page.Rows, row => Assert.Equal(row.Payload.Length, MemoryMarshal.TryGetArray(row.Payload, out var array) ? array.Array!.Length : 0));

        // And in pieces it is everything, to its end.
        var (heads, after) = (0, 0L);
        do
        {
            page = JournalQueries.ReadHeads(database, connection, JournalBed.Id, after, Events, 300, 1 << 20);
            heads += page.Rows.Count;
            after = page.Rows[^1].SequenceNr;
        }
        while (!page.IsLast && after < Events);

        Assert.Equal((Events, (long)Events), (heads, after));
        Assert.Throws<JournalCorruptException>(() => JournalQueries.ReadHeads(database, connection, JournalBed.Id, Events - 128, Events + 1, 1024, int.MaxValue));
    }

    [Fact]
    public async Task Heads_and_single_pages_are_read_without_the_rest()
    {
        await using var bed = await JournalBed.WithTablesAsync(home);
        var (_, parent) = bed.Start();
        var (writer, _) = await bed.ReadyWriterAsync(parent);
        var builder = new EventBuilder(4096);
        for (var i = 0u; i < 200; i++) builder.Put(i, Grid.Node.Memory.PageCodec.Raw, JournalBed.Page(Key, i));
        for (var i = 0u; i < 300; i++) builder.Flush(1000 + i);
        var whole = builder.ToEvent(Key, 1, 200);
        await bed.WriteAsync(parent, writer, whole);

        var row = Assert.Single((await bed.Reader.ReadHeadsAsync(JournalBed.Id, 0, 1, 10)).Rows);
        Assert.Equal(EventFormat.HeaderBytes + (500 * 24), row.Payload.Length);
        Assert.Equal(500, EventReader.OpenHead(Key, 1, row.Payload).Entries.Count);
        foreach (var index in new[] { 0u, 77u, 199u })
            Assert.Equal(JournalBed.Page(Key, index), (await bed.Reader.ReadPageAsync(Key, 1, index)).Stored.ToArray());
        await Assert.ThrowsAsync<JournalCorruptException>(() => bed.Reader.ReadPageAsync(Key, 1, 1000));
    }

    [Fact]
    public async Task Bits_flipped_in_the_file_are_found_and_named()
    {
        await using var bed = await WithEventsAsync(2);
        bed.SpoilByte(2, 3000, 0);
        var failure = await Assert.ThrowsAsync<JournalCorruptException>(() => bed.Reader.ReadPageAsync(Key, 2, 2));
        Assert.Contains(new Handle(Key.Pool, Key.Object, 2).ToString(), failure.Message, StringComparison.Ordinal);
        Assert.Equal(JournalBed.Page(Key, 1), (await bed.Reader.ReadPageAsync(Key, 1, 1)).Stored.ToArray());
    }

    [Fact]
    public async Task Ids_are_listed_in_order_and_pages_of_a_pool_are_counted()
    {
        await using var bed = await JournalBed.WithTablesAsync(home);
        var (_, parent) = bed.Start();
        foreach (var pool in new ulong[] { 1, 10, 2 })
            for (var i = 0u; i < 5; i++)
                await bed.WritePagesAsync(parent, new ObjectKey(new PoolId(pool), ObjectId.FromUInt64(i)), events: 1 + (int)i);

        var prefix = JournalIds.PoolPrefix(new PoolId(1));
        var all = await bed.Reader.ListAsync(prefix, "", 100);
        Assert.Equal(Enumerable.Range(0, 5).Select(i => JournalIds.ForObject(new ObjectKey(new PoolId(1), ObjectId.FromUInt64((ulong)i)))), all);
        Assert.Equal(all[..2], await bed.Reader.ListAsync(prefix, "", 2));
        Assert.Equal(all[2..], await bed.Reader.ListAsync(prefix, all[1], 100));
        Assert.Equal(15, await bed.Reader.CountPagesAsync(new PoolId(1)));
        Assert.Equal(0, await bed.Reader.CountPagesAsync(new PoolId(3)));

        Assert.Equal(15, await bed.Reader.DeletePrefixAsync(prefix));
        Assert.Empty(await bed.Reader.ListAsync(prefix, "", 100));
        Assert.Equal(15, await bed.Reader.CountPagesAsync(new PoolId(10)));
        Assert.Equal(0, await bed.Reader.DeletePrefixAsync(prefix));
    }

    [Fact]
    public async Task Many_events_are_deleted_in_small_steps()
    {
        await using var bed = await JournalBed.WithTablesAsync(home);
        bed.Execute(
            $"""
            WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)
            INSERT INTO journal (created, deleted, persistence_id, sequence_number, message) SELECT 0, false, '{JournalBed.Id}', i, {bed.Blob(new byte[100])} FROM n
            """);
        Assert.Equal(900, await bed.Reader.DeleteThroughAsync(JournalBed.Id, 900));
        Assert.Equal(100, await bed.Reader.DeletePrefixAsync(JournalIds.PoolPrefix(Key.Pool)));
    }

    [Fact]
    public async Task Readers_do_not_wait_for_a_writer_and_readers_cannot_write()
    {
        await using var bed = await WithEventsAsync(3);
        await using var locking = bed.Lock();
        Assert.Equal(3, (await bed.Reader.ReadAsync(JournalBed.Id, 0, 3, 10, int.MaxValue).WaitAsync(TimeSpan.FromSeconds(5))).Rows.Count);
        await using var reader = JournalDatabase.For(bed.Options).OpenReader();
        using var command = reader.CreateCommand();
        command.CommandText = "DELETE FROM journal";
        Assert.ThrowsAny<DbException>(() => command.ExecuteNonQuery());
    }

    [Fact]
    public async Task A_database_that_cannot_be_written_is_unavailable()
    {
        await using var bed = await WithEventsAsync(1);
        await bed.Reader.ProbeAsync();
        var hasty = bed.Options with { WriteTimeout = TimeSpan.FromSeconds(1) };
        using var reader = new JournalReader(hasty);
        var heard = new List<Exception>();
        reader.OnUnavailable = (cause, _) => heard.Add(cause);
        await using (bed.Lock())
        {
            var failure = await Assert.ThrowsAsync<JournalUnavailableException>(() => reader.ProbeAsync());
            Assert.Contains(LockedText, failure.Message, StringComparison.Ordinal);
            Assert.Same(failure, Assert.Single(heard));
        }

        await reader.ProbeAsync();
        using var nowhere = new JournalReader(Elsewhere(bed.Options));
        await Assert.ThrowsAsync<JournalUnavailableException>(() => nowhere.HighestSequenceNrAsync(JournalBed.Id));
    }

    [Fact]
    public async Task A_full_queue_is_refused_and_a_cancelled_call_is_not_begun()
    {
        await using var bed = await WithEventsAsync(1);
        using var threads = new JournalThreads("grid-journal-test", 1, 2);
        using var gate = new SemaphoreSlim(0);
        var begun = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        Assert.True(threads.TryRun(() => { begun.SetResult(); gate.Wait(JournalBed.Patience); }));
        await begun.Task.WaitAsync(JournalBed.Patience);
        Assert.True(threads.TryRun(() => { }));
        Assert.True(threads.TryRun(() => { }));
        Assert.False(threads.TryRun(() => { }));
        gate.Release();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => bed.Reader.HighestSequenceNrAsync(JournalBed.Id, new CancellationToken(canceled: true)));
    }

    private async Task<JournalBed> WithEventsAsync(int events)
    {
        var bed = await JournalBed.WithTablesAsync(home);
        var (_, parent) = bed.Start();
        await bed.WritePagesAsync(parent, Key, events);
        return bed;
    }

    public sealed class OnSqlite() : JournalReaderTests(new SqliteHome())
    {
        protected override string LockedText => "locked";

        protected override JournalOptions Elsewhere(JournalOptions options) =>
            options with { Path = Path.Combine(Path.GetTempPath(), Guid.NewGuid().ToString("N"), "grid.db") };
    }

    [Collection(OnPostgres.Name)]
    public sealed class OnPostgreSql(PostgresServer server) : JournalReaderTests(new PostgresHome(server))
    {
        protected override string LockedText => "statement timeout";

        protected override JournalOptions Elsewhere(JournalOptions options) => options with
        {
            ConnectionString = new NpgsqlConnectionStringBuilder(options.ConnectionString) { Port = PostgresTools.FreePort() }.ConnectionString,
        };
    }
}
