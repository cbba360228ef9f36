using Grid.Node.Journal;
using Grid.Protocol;
using Xunit;

namespace Grid.Tests.Journal;

/// <summary>The search for journals that hold what nobody needs tells them from those that do not, and rented events are what was written.</summary>
public sealed class LeftoverSearchTests
{
    private const long MinDeadBytes = 64 << 10;

    [Theory]
    [InlineData(100, 100, 100, false)]
    [InlineData(100, 100, 60, false)]
    [InlineData(100, 100, 40, true)]
    [InlineData(100, 110, 5, true)]
    [InlineData(0, 20, 0, true)]
    [InlineData(0, 2, 0, false)]
    public void A_journal_with_far_more_bytes_than_its_pages_can_take_is_found(long before, long pagesWritten, uint pagesLeft, bool found)
    {
        // Every page written takes 4152 bytes: its own and a header, its entry among them.
        var first = Header(1, 0, before * 4152 + 100, 100);
        var newest = Header(pagesLeft, 0, (before + pagesWritten) * 4152 + 100, 100);
        Assert.Equal(found, JournalLeftovers.Has(new JournalEnds(before, false, first, before + pagesWritten, newest), MinDeadBytes, 50));
    }

    [Fact]
    public void A_deletion_that_was_cut_short_and_an_emptied_object_are_found_however_small()
    {
        var small = Header(1, 0, 5000, 5000);
        Assert.False(JournalLeftovers.Has(new JournalEnds(0, false, small, 1, small), MinDeadBytes, 50));
        Assert.True(JournalLeftovers.Has(new JournalEnds(0, true, small, 1, small), MinDeadBytes, 50));
        var flushed = Header(0, 1, 5100, 100);
        Assert.True(JournalLeftovers.Has(new JournalEnds(0, false, small, 2, flushed), MinDeadBytes, 50));
        Assert.False(JournalLeftovers.Has(new JournalEnds(1, false, flushed, 2, flushed), MinDeadBytes, 50));
    }

    [Fact]
    public async Task The_search_goes_through_all_objects_in_steps_and_a_rented_event_is_what_was_written_or_an_error()
    {
        await using var bed = await JournalBed.WithTablesAsync();
        var (_, parent) = bed.Start();
        ObjectKey[] keys = [.. Enumerable.Range(1, 5).Select(number => new ObjectKey(new PoolId(7), ObjectId.FromUInt64((ulong)number)))];
        foreach (var key in keys) await bed.WritePagesAsync(parent, key, 3);
        await bed.Reader.DeleteThroughAsync(JournalIds.ForObject(keys[0]), 1);
        // As a kill between the note and the deletion leaves it.
        bed.Execute($"INSERT INTO journal_metadata (persistence_id, sequence_number) VALUES ('{JournalIds.ForObject(keys[3])}', 2)");

        var (found, after, steps) = (new List<ObjectKey>(), "", 0);
        for (var isLast = false; !isLast; steps++)
        {
            var part = await bed.Reader.FindLeftoversAsync(after, 2, MinDeadBytes, 50);
            found.AddRange(part.Objects);
            (after, isLast) = (part.Last, part.IsLast);
        }

        Assert.Equal([keys[3]], found);
        Assert.Equal(3, steps);

        using (var rented = await bed.Reader.RentEventAsync(JournalIds.ForObject(keys[0]), 2))
        {
            var read = await bed.Reader.ReadEventAsync(JournalIds.ForObject(keys[0]), 2);
            Assert.True(rented.Bytes.Span.SequenceEqual(read.Span));
            Assert.True(EventReader.Open(keys[0], 2, rented.Bytes).Page(2).Stored.Span.SequenceEqual(JournalBed.Page(keys[0], 2)));
        }

        await Assert.ThrowsAsync<JournalCorruptException>(() => bed.Reader.RentEventAsync(JournalIds.ForObject(keys[0]), 1));
        await Assert.ThrowsAsync<JournalCorruptException>(() => bed.Reader.RentEventAsync(JournalIds.ForObject(keys[0]), 4));
    }

    private static EventHeader Header(uint pagesAfter, long after, long logBytes, int eventBytes) =>
        new(JournalBed.PageSize, 1, 1, pagesAfter, eventBytes, 0) { Base = after, LogBytes = logBytes };
}
