using Grid.Node.Journal;
using Grid.Node.Memory;
using Grid.Protocol;
using Grid.Tests.Harness;
using Xunit;

namespace Grid.Tests.Journal;

/// <summary>A verification finds every kind of damage, says where, goes on behind it, and changes nothing.</summary>
public abstract class JournalAuditTests(IJournalHome home)
{
    private static readonly ObjectKey Key = JournalBed.Key;

    [Fact]
    public async Task A_sound_journal_has_no_damage_and_is_looked_at_to_its_end()
    {
        await using var bed = await WithEventsAsync(10);
        Assert.Empty((await VerifyAsync(bed, maxBytes: 1)).Damages);
        var all = await VerifyAsync(bed);
        Assert.Equal((10ul, 10ul, 10ul), (all.Last, all.Events, all.Pages));
        Assert.Equal((ulong)bed.Scalar("SELECT sum(length(message)) FROM journal"), all.Bytes);
    }

    [Fact]
    public async Task A_missing_event_is_told_with_its_number()
    {
        await using var bed = await WithEventsAsync(10);
        bed.Execute("DELETE FROM journal WHERE sequence_number IN (1, 4, 5)");
        var damages = (await VerifyAsync(bed, maxBytes: 5000)).Damages;
        Assert.Equal([(1ul, "event 1 is missing"), (4ul, "events 4 to 5 are missing")], damages.Select(damage => (damage.Event, damage.What)));
        Assert.All(damages, damage => Assert.False(damage.IsSuperseded));
    }

    [Fact]
    public async Task What_was_deleted_on_purpose_is_not_missing()
    {
        await using var bed = await WithEventsAsync(10);
        await bed.Reader.DeleteThroughAsync(JournalBed.Id, 4);
        var part = await VerifyAsync(bed);
        Assert.Empty(part.Damages);
        Assert.Equal(6ul, part.Events);
    }

    [Fact]
    public async Task Flipped_bits_are_found_wherever_they_are_and_the_page_is_named_where_it_is_one()
    {
        await using var bed = await WithEventsAsync(6);
        Flip(bed, 2, 3);
        Flip(bed, 3, EventFormat.HeaderBytes + 5);
        Flip(bed, 4, EventFormat.HeaderBytes + EventFormat.EntryBytes + 100);
        Truncate(bed, 5, 1000);
        bed.Execute("UPDATE journal SET manifest = 'X9' WHERE sequence_number = 6");
        var damages = (await VerifyAsync(bed)).Damages;
        Assert.Equal([2, 3, 4, 5, 6], damages.Select(damage => (int)damage.Event));
        Assert.Equal([null, null, 4, null, null], damages.Select(damage => damage.Index));
        Assert.Contains("X9", damages[^1].What, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_damaged_page_that_was_overwritten_or_flushed_since_is_superseded()
    {
        await using var bed = await JournalBed.WithTablesAsync(home);
        var (_, parent) = bed.Start();
        var (writer, _) = await bed.ReadyWriterAsync(parent);
        var builder = new EventBuilder(JournalBed.PageSize);
        for (var i = 0u; i < 3; i++) builder.Put(i, PageCodec.Raw, JournalBed.Page(Key, i));
        await bed.WriteAsync(parent, writer, builder.ToEvent(Key, 1, 3));
        await bed.WriteAsync(parent, writer, JournalBed.PageEvent(Key, 1, 3));
        builder.Clear();
        builder.Flush(2);
        await bed.WriteAsync(parent, writer, builder.ToEvent(Key, 1, 2));
        const int FirstPage = EventFormat.HeaderBytes + (3 * EventFormat.EntryBytes);
        for (var i = 0; i < 3; i++) Flip(bed, 1, FirstPage + (i * JournalBed.PageSize) + 9);
        var damages = (await VerifyAsync(bed)).Damages;
        Assert.Equal([(0u, false), (1u, true), (2u, true)], damages.Select(damage => (damage.Index!.Value, damage.IsSuperseded)));
    }

    [Fact]
    public async Task Bytes_that_do_not_decode_to_a_page_are_damage_though_their_checksum_holds()
    {
        await using var bed = await JournalBed.WithTablesAsync(home);
        var (_, parent) = bed.Start();
        var (writer, _) = await bed.ReadyWriterAsync(parent);
        var builder = new EventBuilder(JournalBed.PageSize);
        builder.Put(8, PageCodec.Lz4, [1, 2, 3, 4]);
        await bed.WriteAsync(parent, writer, builder.ToEvent(Key, 1, 1));
        var damage = Assert.Single((await VerifyAsync(bed)).Damages);
        Assert.Equal((1ul, 8u), (damage.Event, damage.Index));
        Assert.Contains("decode", damage.What, StringComparison.Ordinal);
    }

    [Fact]
    public async Task More_damage_than_an_answer_holds_is_told_in_several()
    {
        await using var bed = await WithEventsAsync(ProtocolLimits.MaxDamages * 3);
        bed.Execute("UPDATE journal SET identifier = 1");
        var part = await VerifyAsync(bed);
        Assert.Equal(ProtocolLimits.MaxDamages * 3, part.Damages.Count);
    }

    [Fact]
    public async Task Objects_are_listed_in_order_a_damaged_one_among_them()
    {
        await using var bed = await JournalBed.WithTablesAsync(home);
        var (_, parent) = bed.Start();
        ObjectId[] ids = [new(0, 0, 5), new(0, 1, 0), new(2, 0, 0)];
        foreach (var id in ids.Append(new ObjectId(1, 1, 1))) await bed.WritePagesAsync(parent, new ObjectKey(Key.Pool, id), 2);
        await bed.WritePagesAsync(parent, new ObjectKey(new PoolId(70), new ObjectId(0, 0, 1)), 1);
        bed.Execute($"UPDATE journal SET message = {bed.Blob(0)} WHERE persistence_id = '{JournalIds.ForObject(new ObjectKey(Key.Pool, new ObjectId(1, 1, 1)))}'");
        var (found, next) = (new List<ListedObject>(), default(ObjectId));
        for (var isLast = false; !isLast;)
        {
            var part = await bed.Reader.ListObjectsAsync(new ObjectListRequest(Key.Pool, next, 1, false));
            found.AddRange(part.Objects);
            (next, isLast) = (part.Next, part.IsLast);
        }

        Assert.Equal([new(ids[0], 2), new(ids[1], 2), new(new ObjectId(1, 1, 1), null), new ListedObject(ids[2], 2)], found);
    }

    private async Task<JournalBed> WithEventsAsync(int events)
    {
        var bed = await JournalBed.WithTablesAsync(home);
        var (_, parent) = bed.Start();
        await bed.WritePagesAsync(parent, Key, events);
        return bed;
    }

    /// <summary>All pieces as one.</summary>
    private static async Task<VerifyPart> VerifyAsync(JournalBed bed, int maxBytes = 1 << 20)
    {
        var all = new VerifyPart(false, 0, 0, 0, 0, []);
        while (!all.IsLast)
        {
            var part = await bed.Reader.VerifyAsync(new VerifyRequest(Key.Pool, Key.Object, all.Last, maxBytes));
            Assert.True(part.Damages.Count <= ProtocolLimits.MaxDamages);
            all = new VerifyPart(part.IsLast, part.Last, all.Events + part.Events, all.Pages + part.Pages, all.Bytes + part.Bytes, [.. all.Damages, .. part.Damages]);
        }

        return all;
    }

    private static void Flip(JournalBed bed, long sequenceNr, int at) => Change(bed, sequenceNr, bytes =>
    {
        bytes[at] ^= 0x20;
        return bytes;
    });

    private static void Truncate(JournalBed bed, long sequenceNr, int length) => Change(bed, sequenceNr, bytes => bytes[..length]);

    private static void Change(JournalBed bed, long sequenceNr, Func<byte[], byte[]> change)
    {
        using var connection = bed.Open();
        using var read = connection.Command(null, "SELECT message FROM journal WHERE sequence_number = @nr").Add("@nr", sequenceNr);
        var changed = change((byte[])read.ExecuteScalar()!);
        using var write = connection.Command(null, "UPDATE journal SET message = @message WHERE sequence_number = @nr").Add("@message", changed).Add("@nr", sequenceNr);
        Assert.Equal(1, write.ExecuteNonQuery());
    }

    public sealed class OnSqlite() : JournalAuditTests(new SqliteHome());

    [Collection(OnPostgres.Name)]
    public sealed class OnPostgreSql(PostgresServer server) : JournalAuditTests(new PostgresHome(server));
}
