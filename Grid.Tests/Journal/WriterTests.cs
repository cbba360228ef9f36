using Akka.Actor;
using Akka.Pattern;
using Akka.TestKit;
using Grid.Node.Journal;
using Grid.Tests.Harness;
using Xunit;

namespace Grid.Tests.Journal;

public abstract class WriterTests(IJournalHome home)
{
    [Fact]
    public async Task Events_get_numbers_without_gaps_and_stand_in_the_journal_as_they_were()
    {
        await using var bed = await JournalBed.WithTablesAsync(home);
        var (_, parent) = bed.Start();
        var (writer, last) = await bed.ReadyWriterAsync(parent);
        Assert.Equal(0, last);
        for (var i = 1; i <= 5; i++) Assert.Equal(i, await bed.WriteAsync(parent, writer, JournalBed.PageEvent(JournalBed.Key, (uint)i, (uint)i), token: 100 + i));

        for (var i = 1u; i <= 5; i++)
            Assert.Equal(JournalBed.PageEvent(JournalBed.Key, i, i).Bytes.ToArray(), (await bed.Reader.ReadEventAsync(JournalBed.Id, i)).ToArray());
    }

    [Fact]
    public async Task A_new_writer_knows_the_newest_number_and_replays_nothing()
    {
        await using var bed = await JournalBed.WithTablesAsync(home);
        var (_, parent) = bed.Start();
        await bed.WritePagesAsync(parent, JournalBed.Key, 3);
        // A damaged event would stop any actor that replays.
        bed.Execute($"UPDATE journal SET message = {bed.Blob(0)}, manifest = 'nonsense', identifier = 1");
        var (writer, last) = await bed.ReadyWriterAsync(parent);
        Assert.Equal(3, last);
        Assert.Equal(4, await bed.WriteAsync(parent, writer, JournalBed.PageEvent(JournalBed.Key, 4, 4)));
    }

    [Fact]
    public async Task Events_of_writers_that_come_back_are_all_there()
    {
        await using var bed = await JournalBed.WithTablesAsync(home);
        // Two systems stamp their rows with an id each; the object goes A, B, A.
        var (_, a) = bed.Start();
        var (_, b) = bed.Start();
        foreach (var parent in new[] { a, b, a }) await bed.WritePagesAsync(parent, JournalBed.Key, 3);

        Assert.Equal(2, bed.Scalar("SELECT count(DISTINCT writer_uuid) FROM journal"));
        var page = await bed.Reader.ReadAsync(JournalBed.Id, 0, 9, 100, int.MaxValue);
        Assert.Equal(Enumerable.Range(1, 9).Select(i => (long)i), page.Rows.Select(row => row.SequenceNr));
        var (system, probe) = bed.Start();
        Assert.Equal(9, await ReplayAsync(system, probe));
    }

    [Fact]
    public async Task A_number_that_is_taken_already_is_not_applied()
    {
        await using var bed = await JournalBed.WithTablesAsync(home);
        var (_, a) = bed.Start();
        var (_, b) = bed.Start();
        var (old, _) = await bed.ReadyWriterAsync(a);
        var (young, _) = await bed.ReadyWriterAsync(b);
        await bed.WriteAsync(b, young, JournalBed.PageEvent(JournalBed.Key, 1, 1));

        var failed = await FailedAsync(a, old, token: 5);
        Assert.True(failed.NotApplied, failed.Cause.ToString());
        Assert.Equal(5, failed.Token);
        Assert.Equal(1, bed.Scalar("SELECT count(*) FROM journal"));
        Assert.Equal(1, (await bed.ReadyWriterAsync(a)).Last);
    }

    [Fact]
    public async Task An_open_breaker_answers_at_once_that_nothing_left()
    {
        await using var bed = await JournalBed.WithTablesAsync(home);
        var (_, parent) = bed.Start("akka.persistence.journal.sql.circuit-breaker { max-failures = 1, reset-timeout = 1h }");
        var (first, _) = await bed.ReadyWriterAsync(parent);
        var (second, _) = await bed.ReadyWriterAsync(parent, JournalIds.ForObject(JournalBed.Key with { Pool = new(8) }));
        bed.Execute("ALTER TABLE journal RENAME TO gone");

        var failed = await FailedAsync(parent, first, 1);
        Assert.False(failed.NotApplied && failed.Cause is OpenCircuitException);
        failed = await FailedAsync(parent, second, 2);
        Assert.IsType<OpenCircuitException>(failed.Cause);
        Assert.True(failed.NotApplied);
        await parent.ChildActorOfAsync(WriterActor.Props(JournalBed.Id));
        Assert.IsType<OpenCircuitException>((await parent.ExpectMsgAsync<WriterDown>(JournalBed.Patience)).Cause);
    }

    [Fact]
    public async Task Stop_waits_for_the_event_under_way()
    {
        await using var bed = await JournalBed.WithTablesAsync(home);
        var (_, parent) = bed.Start();
        var (writer, _) = await bed.ReadyWriterAsync(parent);
        await parent.WatchAsync(writer);
        using (bed.Lock())
        {
            writer.Tell(new Write(JournalBed.PageEvent(JournalBed.Key, 1, 1), 9));
            writer.Tell(StopWriter.Instance);
            await parent.ExpectNoMsgAsync(TimeSpan.FromMilliseconds(300));
        }

        Assert.Equal(new Written(9, 1), await parent.ExpectMsgAsync<Written>(JournalBed.Patience));
        await parent.ExpectTerminatedAsync(writer, JournalBed.Patience);
    }

    [Fact]
    public async Task A_writer_that_is_cut_off_says_that_the_outcome_is_unknown()
    {
        await using var bed = await JournalBed.WithTablesAsync(home);
        var (_, parent) = bed.Start();
        var (writer, _) = await bed.ReadyWriterAsync(parent);
        using (bed.Lock())
        {
            writer.Tell(new Write(JournalBed.PageEvent(JournalBed.Key, 1, 1), 3));
            await parent.ExpectNoMsgAsync(TimeSpan.FromMilliseconds(200));
            writer.Tell(PoisonPill.Instance);
            var failed = await parent.ExpectMsgAsync<WriteFailed>(JournalBed.Patience);
            Assert.Equal((3L, false), (failed.Token, failed.NotApplied));
        }

        // The next writer of the same node waits for what is under way before it says where it stands.
        Assert.Equal(1, (await bed.ReadyWriterAsync(parent)).Last);
    }

    [Fact]
    public async Task A_locked_database_fails_the_write_in_time()
    {
        await using var bed = await JournalBed.WithTablesAsync(home);
        var (_, parent) = bed.Start("akka.persistence.journal.sql.circuit-breaker.call-timeout = 500ms");
        var (writer, _) = await bed.ReadyWriterAsync(parent);
        using (bed.Lock())
        {
            var failed = await FailedAsync(parent, writer, 1);
            Assert.False(failed.NotApplied);
            Assert.IsType<TimeoutException>(failed.Cause);
        }

        // What was given up may be committed still, or not: a later writer's event makes it certain.
        var last = 0L;
        while (last == 0)
        {
            var (next, known) = await bed.ReadyWriterAsync(parent);
            next.Tell(new Write(JournalBed.PageEvent(JournalBed.Key, 2, 2), 2));
            if (await parent.ReceiveOneAsync(JournalBed.Patience) is Written written) last = written.SequenceNr;
            else Assert.Equal(0, known);
        }

        Assert.Equal(last, (await bed.Reader.ReadAsync(JournalBed.Id, 0, last, 10, int.MaxValue)).Rows.Count);
        Assert.Equal(last, await bed.Reader.HighestSequenceNrAsync(JournalBed.Id));
    }

    [Fact]
    public async Task A_number_that_is_taken_fails_only_its_writer_and_the_others_share_the_commit()
    {
        await using var bed = await JournalBed.WithTablesAsync(home);
        var (_, parent) = bed.Start();
        var writers = new List<(IActorRef Writer, Grid.Protocol.ObjectKey Key)>();
        for (var i = 0u; i < 10; i++)
        {
            var key = JournalBed.Key with { Object = Grid.Protocol.ObjectId.FromUInt64(i) };
            writers.Add(((await bed.ReadyWriterAsync(parent, JournalIds.ForObject(key))).Writer, key));
        }

        // Another owner has written the third one's next number since that looked.
        var (_, other) = bed.Start();
        await bed.WritePagesAsync(other, writers[3].Key, 1);
        using (bed.Lock())
        {
            for (var i = 0; i < writers.Count; i++) writers[i].Writer.Tell(new Write(JournalBed.PageEvent(writers[i].Key, 1, 1), i));
            // While the database is locked nothing else of the journal waits for it: a new writer learns where it stands.
            var id = JournalIds.ForObject(JournalBed.Key with { Object = Grid.Protocol.ObjectId.FromUInt64(99) });
            Assert.Equal(0, (await bed.ReadyWriterAsync(parent, id)).Last);
        }

        for (var i = 0; i < writers.Count; i++)
        {
            switch (await parent.ReceiveOneAsync(JournalBed.Patience))
            {
                case Written written:
                    Assert.NotEqual(3, written.Token);
                    break;
                case WriteFailed failed:
                    Assert.Equal((3L, true), (failed.Token, failed.NotApplied));
                    break;
                case var unexpected:
                    Assert.Fail($"{unexpected}");
                    break;
            }
        }

        Assert.Equal(writers.Count, bed.Scalar("SELECT count(*) FROM journal"));
    }

    private static async Task<WriteFailed> FailedAsync(TestProbe parent, IActorRef writer, long token)
    {
        await parent.WatchAsync(writer);
        writer.Tell(new Write(JournalBed.PageEvent(JournalBed.Key, 99, 1), token));
        var failed = await parent.ExpectMsgAsync<WriteFailed>(JournalBed.Patience);
        await parent.ExpectTerminatedAsync(writer, JournalBed.Patience);
        return failed;
    }

    private static async Task<int> ReplayAsync(ActorSystem system, TestProbe probe)
    {
        system.ActorOf(Props.Create(() => new Replayer(probe.Ref)));
        return await probe.ExpectMsgAsync<int>(JournalBed.Patience);
    }

    private sealed class Replayer(IActorRef told) : Akka.Persistence.UntypedPersistentActor
    {
        private int _events;

        public override string PersistenceId => JournalBed.Id;

        protected override void OnCommand(object message)
        {
        }

        protected override void OnRecover(object message)
        {
            if (message is JournalEvent) _events++;
            if (message is Akka.Persistence.RecoveryCompleted) told.Tell(_events);
        }
    }

    public sealed class OnSqlite() : WriterTests(new SqliteHome());

    [Collection(OnPostgres.Name)]
    public sealed class OnPostgreSql(PostgresServer server) : WriterTests(new PostgresHome(server));
}
