using System.Runtime.CompilerServices;
using CsCheck;
using Grid.Node.Objects;
using Xunit;

namespace Grid.Tests.Objects;

public sealed class PageIndexTests
{
    [Fact]
    public void Index_behaves_like_a_dictionary_over_random_puts_and_removes()
    {
        // Few distinct indexes collide and are removed often; the extremes of the 32-bit range are among them.
        var page = Gen.OneOf(Gen.UInt[0, 40], Gen.UInt, Gen.Const(uint.MaxValue), Gen.Const(uint.MaxValue - 1), Gen.Const(0x80000000u));
        Gen.Select(page, Gen.Bool).List[0, 400].Sample(operations =>
        {
            var index = new PageIndex();
            var model = new Dictionary<uint, ulong>();
            var counter = 0ul;
            foreach (var (number, add) in operations)
            {
                var known = model.ContainsKey(number);
                Assert.Equal(known, !Unsafe.IsNullRef(ref index.Find(number)));
                if (add && !known)
                {
                    index.Add(number).Changed = ++counter;
                    model.Add(number, counter);
                }
                else if (!add && known)
                {
                    index.Remove(number);
                    model.Remove(number);
                }

                Assert.Equal(model.Count, index.Count);
            }

            foreach (var (number, changed) in model) Assert.Equal(changed, index.Find(number).Changed);
            var seen = 0;
            for (var i = 0; i < index.Capacity; i++)
                if (!Unsafe.IsNullRef(ref index.SlotAt(i))) seen++;
            Assert.Equal(model.Count, seen);
        });
    }

    [Fact]
    public void Index_takes_less_than_eighty_bytes_a_page_when_large()
    {
        var index = new PageIndex();
        for (var i = 0u; i < 100_000; i++) index.Add(i * 7);
        Assert.InRange(index.SizeBytes / (double)index.Count, 40, 80);
    }
}

public sealed class ChangeTrackerTests
{
    [Fact]
    public void Absent_handle_counts_as_changed_when_it_was_emptied_later()
    {
        var changes = new ChangeTracker(7);
        changes.Put(1);
        var before = changes.Version;
        changes.Emptied(2);
        Assert.True(changes.AbsentChangedSince(2, before.Counter));
        Assert.False(changes.AbsentChangedSince(3, before.Counter));
        Assert.False(changes.AbsentChangedSince(2, changes.Version.Counter));
    }

    [Fact]
    public void Flush_of_the_object_changes_every_handle()
    {
        var changes = new ChangeTracker(7);
        var before = changes.Version;
        changes.EmptiedAll();
        Assert.True(changes.AbsentChangedSince(99, before.Counter));
    }

    [Fact]
    public void Eviction_is_no_change_but_keeps_what_was_known()
    {
        var changes = new ChangeTracker(7);
        var older = changes.Version;
        var changed = changes.Put(5);
        var newer = changes.Version;
        changes.Evicted(changed);
        Assert.True(changes.AbsentChangedSince(5, older.Counter));
        Assert.False(changes.AbsentChangedSince(5, newer.Counter));
    }

    [Fact]
    public void A_condition_of_a_moment_ago_holds_however_many_handles_were_emptied_before_it()
    {
        var changes = new ChangeTracker(7);
        for (var i = 0u; i < 5000; i++)
        {
            changes.Emptied(i);
            var now = changes.Version;
            for (var other = 10_000u; other < 10_060; other++) changes.Emptied(other + (i % 50));
            Assert.False(changes.AbsentChangedSince(i, now.Counter));
            Assert.True(changes.AbsentChangedSince(10_000 + (i % 50), now.Counter));
        }
    }

    [Fact]
    public void In_doubt_the_answer_is_changed()
    {
        var changes = new ChangeTracker(7);
        changes.Emptied(0);
        var before = changes.Version;
        for (var i = 1u; i < 2000; i++) changes.Emptied(i);
        for (var i = 1u; i < 2000; i++) Assert.True(changes.AbsentChangedSince(i, before.Counter));
        Assert.False(changes.Knows(new Grid.Protocol.ObjectVersion(8, 1)));
        Assert.False(changes.Knows(new Grid.Protocol.ObjectVersion(7, changes.Counter + 1)));
    }
}
