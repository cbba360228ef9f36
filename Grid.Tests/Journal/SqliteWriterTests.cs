using Akka.Actor;
using Grid.Node.Journal;
using Microsoft.Data.Sqlite;
using Xunit;

namespace Grid.Tests.Journal;

/// <summary>What the writer promises on SQLite alone.</summary>
public sealed class SqliteWriterTests
{
    [Fact]
    public async Task A_full_disk_fails_the_write_and_leaves_what_was_there()
    {
        await using var bed = await JournalBed.WithTablesAsync();
        bed.Execute("PRAGMA wal_checkpoint(TRUNCATE)");
        await LimitConnectionsAsync(bed, maxPages: 15);
        var (_, parent) = bed.Start();
        var (writer, _) = await bed.ReadyWriterAsync(parent);
        var (written, failed) = (0u, default(WriteFailed));
        while (failed is null)
        {
            writer.Tell(new Write(JournalBed.PageEvent(JournalBed.Key, written + 1, written + 1), 1));
            var answer = await parent.ReceiveOneAsync(JournalBed.Patience);
            if (answer is Written) written++;
            else failed = Assert.IsType<WriteFailed>(answer);
            Assert.True(written < 100);
        }

        Assert.True(failed.NotApplied, failed.Cause.ToString());
        Assert.InRange(written, 5u, 60u);
        Assert.Equal(written, bed.Scalar("SELECT count(*) FROM journal"));
        var page = await bed.Reader.ReadAsync(JournalBed.Id, 0, written, 100, int.MaxValue);
        foreach (var row in page.Rows) EventReader.Open(JournalBed.Key, row.SequenceNr, row.Payload).VerifyPages();
        await Assert.ThrowsAsync<SqliteException>(() => throw failed.Cause);
    }

    [Fact]
    public async Task Events_of_many_objects_share_transactions()
    {
        await using var bed = await JournalBed.WithTablesAsync();
        var (_, parent) = bed.Start();
        var writers = new List<(IActorRef Writer, Grid.Protocol.ObjectKey Key)>();
        for (var i = 0u; i < 40; i++)
        {
            var key = JournalBed.Key with { Object = Grid.Protocol.ObjectId.FromUInt64(i) };
            writers.Add(((await bed.ReadyWriterAsync(parent, JournalIds.ForObject(key))).Writer, key));
        }

        long before;
        using (bed.Lock())
        {
            before = Commits(bed);
            foreach (var (writer, key) in writers) writer.Tell(new Write(JournalBed.PageEvent(key, 1, 1), 1));
            await parent.ExpectNoMsgAsync(TimeSpan.FromSeconds(1));
        }

        for (var i = 0; i < writers.Count; i++) await parent.ExpectMsgAsync<Written>(JournalBed.Patience);
        // What was there when the first began to wait for the lock, then all the others.
        Assert.InRange(Commits(bed) - before, 1, 10);
    }

    /// <summary>Transactions in the write-ahead log: frames that end one carry the database's size, big-endian, at byte 4.</summary>
    private static long Commits(JournalBed bed)
    {
        using var log = new FileStream(bed.Options.Path + "-wal", FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        var (commits, frame) = (0L, new byte[24]);
        var pageSize = bed.Scalar("PRAGMA page_size");
        for (log.Position = 32; log.Read(frame) == frame.Length; log.Position += pageSize)
            if (frame.AsSpan(4, 4).IndexOfAnyExcept((byte)0) >= 0) commits++;
        return commits;
    }

    /// <summary>Limits the pooled connections that Akka's journal will take up.</summary>
    private static async Task LimitConnectionsAsync(JournalBed bed, int maxPages)
    {
        var connections = new List<SqliteConnection>();
        for (var i = 0; i < 8; i++)
        {
            var connection = new SqliteConnection(JournalDatabase.For(bed.Options).ConnectionString);
            await connection.OpenAsync();
            using var command = connection.CreateCommand();
            command.CommandText = $"PRAGMA max_page_count = {maxPages}";
            await command.ExecuteNonQueryAsync();
            connections.Add(connection);
        }

        foreach (var connection in connections) await connection.DisposeAsync();
    }
}
