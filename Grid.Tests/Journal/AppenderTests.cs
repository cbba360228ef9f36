using Grid.Node.Journal;
using Grid.Protocol;
using Grid.Tests.Harness;
using Xunit;

namespace Grid.Tests.Journal;

/// <summary>What writes a transaction of many objects, without the threads around it: who fails where numbers are taken, and who does not.</summary>
public abstract class AppenderTests(IJournalHome home)
{
    [Fact]
    public async Task Where_one_of_two_objects_number_is_taken_that_fails_and_the_other_is_written()
    {
        await using var bed = await JournalBed.WithTablesAsync(home);
        using var appender = JournalDatabase.For(bed.Options).OpenAppender();
        appender.Append([Write(7, 1)]);
        var (taken, free) = (Write(7, 1), Write(8, 1));
        appender.Append([taken, free]);
        Assert.NotNull(taken.Failure);
        Assert.True(WriteFailures.IsCertainlyNotApplied(taken.Failure), taken.Failure.ToString());
        Assert.Null(free.Failure);
        Assert.Equal(2, bed.Scalar("SELECT count(*) FROM journal"));

        // It goes on as if nothing had been, alone and together.
        JournalWrite[] next = [Write(7, 2), Write(8, 2)];
        appender.Append(next);
        Assert.All(next, write => Assert.Null(write.Failure));
        Assert.Equal(4, bed.Scalar("SELECT count(*) FROM journal"));
    }

    [Fact]
    public async Task Rows_of_one_object_are_written_all_or_none()
    {
        await using var bed = await JournalBed.WithTablesAsync(home);
        using var appender = JournalDatabase.For(bed.Options).OpenAppender();
        appender.Append([Write(7, 2)]);
        var (group, other) = (Write(7, 1, 2, 3), Write(8, 1, 2));
        appender.Append([group, other]);
        Assert.NotNull(group.Failure);
        Assert.Null(other.Failure);
        Assert.Equal(1, bed.Scalar($"SELECT count(*) FROM journal WHERE persistence_id = '{Id(7)}'"));
        Assert.Equal(2, bed.Scalar($"SELECT count(*) FROM journal WHERE persistence_id = '{Id(8)}'"));
    }

    [Fact]
    public async Task Rows_stand_there_as_they_were_given()
    {
        await using var bed = await JournalBed.WithTablesAsync(home);
        using var appender = JournalDatabase.For(bed.Options).OpenAppender();
        // Longer and shorter than the one before it, and empty.
        foreach (var (number, bytes) in ((int, int)[])[(1, 100), (2, 300_000), (3, 0), (4, 5)])
        {
            var row = new NewRow(Id(7), number, number == 3 ? "" : $"W{number}", 7000 + number, 638_000_000_000_000_000 + number, $"writer-{number}", Bytes(number, bytes));
            appender.Append([new JournalWrite([row])]);
            await using var connection = bed.Open();
            using var command = connection.Command(null, "SELECT created, persistence_id, manifest, identifier, writer_uuid, message FROM journal WHERE sequence_number = @nr").Add("@nr", (long)number);
            await using var found = await command.ExecuteReaderAsync();
            Assert.True(await found.ReadAsync());
            Assert.Equal(
                (row.Created, row.PersistenceId, row.Manifest, row.Serializer, row.WriterId),
                (found.GetInt64(0), found.GetString(1), found.GetString(2), found.GetInt32(3), found.GetString(4)));
            Assert.Equal(row.Message, await found.GetFieldValueAsync<byte[]>(5));
        }
    }

    [Fact]
    public async Task Two_that_meet_in_many_objects_decide_each_and_never_wait_in_a_circle()
    {
        await using var bed = await JournalBed.WithTablesAsync(home);
        using var one = JournalDatabase.For(bed.Options).OpenAppender();
        using var two = JournalDatabase.For(bed.Options).OpenAppender();
        const int Objects = 60;
        for (var round = 1; round <= 15; round++)
        {
            var upwards = Enumerable.Range(0, Objects).Select(i => Write((ulong)i, round)).ToArray();
            var downwards = Enumerable.Range(0, Objects).Reverse().Select(i => Write((ulong)i, round)).ToArray();
            await Task.WhenAll(Task.Run(() => one.Append(upwards)), Task.Run(() => two.Append(downwards)));
            for (var i = 0; i < Objects; i++) Assert.True(upwards[i].Failure is null != downwards[Objects - 1 - i].Failure is null, $"object {i} in round {round}");
            Assert.All(upwards.Concat(downwards), write => Assert.True(write.Failure is null || WriteFailures.IsCertainlyNotApplied(write.Failure), $"{write.Failure}"));
            Assert.Equal(Objects * round, bed.Scalar("SELECT count(*) FROM journal"));
        }
    }

    internal static JournalWrite Write(ulong number, params ReadOnlySpan<int> numbers) => Write(number, 1000, numbers);

    internal static JournalWrite WriteOf(ulong number, int sequenceNr, int bytes) => Write(number, bytes, [sequenceNr]);

    internal static string Id(ulong number) => JournalIds.ForObject(JournalBed.Key with { Object = ObjectId.FromUInt64(number) });

    private static JournalWrite Write(ulong number, int bytes, ReadOnlySpan<int> numbers)
    {
        var rows = new List<NewRow>();
        foreach (var sequenceNr in numbers) rows.Add(new NewRow(Id(number), sequenceNr, "W2", JournalEventSerializer.Id, 1, "test", Bytes(sequenceNr, bytes)));
        return new JournalWrite(rows);
    }

    private static byte[] Bytes(int seed, int count)
    {
        var bytes = new byte[count];
        new Random(seed).NextBytes(bytes);
        return bytes;
    }

    public sealed class OnSqlite() : AppenderTests(new SqliteHome());

    [Collection(OnPostgres.Name)]
    public sealed class OnPostgreSql(PostgresServer server) : AppenderTests(new PostgresHome(server));
}
