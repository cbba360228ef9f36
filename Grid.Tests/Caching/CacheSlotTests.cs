using CsCheck;
using Grid.Client;
using Xunit;

namespace Grid.Tests.Caching;

/// <summary>The slot as a page: what is written is read, and nothing else is taken for one.</summary>
public sealed class CacheSlotTests
{
    private const int PageBytes = 4096;

    private static readonly Gen<CacheEntry> Entries =
        from words in Gen.ULong.Array[4]
        from id in Gen.ULong
        from ticks in Gen.Long.Array[3]
        from state in Gen.Int[0, 2]
        from length in Gen.Int[0, 900]
        from first in Gen.UInt[CacheLayout.FirstValueIndex, uint.MaxValue - 1000]
        from fill in Gen.Byte
        select new CacheEntry
        {
            Key = new KeyHash(words[0], words[1], words[2], words[3]),
            Id = id,
            Lifetime = new CacheLifetime(ticks[0], ticks[1], ticks[2]),
            State = (CacheEntryState)state,
            Length = length,
            FirstPage = state == 0 ? 0 : first,
            Inline = state == 0 ? Enumerable.Repeat(fill, length).ToArray() : default,
        };

    [Fact]
    public void What_is_written_is_read() => Entries.Array[0, 12].Sample(
        entries =>
        {
            var slot = entries.Aggregate(CacheSlot.Empty, (before, entry) => before.With(entry, PageBytes));
            var page = new byte[PageBytes];
            slot.Write(page);
            var read = CacheSlot.Read(page);
            Assert.True(slot.TakesBytes <= PageBytes);
            Assert.Equal(slot.Entries.Select(Text), read.Entries.Select(Text));
            // The newest are there, whatever had to go.
            Assert.Equal(entries.TakeLast(slot.Entries.Count).Select(Text), read.Entries.Select(Text));
        },
        iter: 2000);

    [Fact]
    public void Any_page_is_a_slot_or_a_format_error() => Gen.Select(Entries.Array[0, 5], Gen.Int[0, 400], Gen.Byte).Sample(
        (entries, at, value) =>
        {
            var page = new byte[PageBytes];
            entries.Aggregate(CacheSlot.Empty, (before, entry) => before.With(entry, PageBytes)).Write(page);
            page[at] = value;
            try
            {
                foreach (var entry in CacheSlot.Read(page).Entries) _ = entry.Run(PageBytes);
            }
            catch (FormatException)
            {
            }
        },
        iter: 5000);

    [Fact]
    public void Keys_that_differ_in_anything_have_other_hashes()
    {
        var hashes = new HashSet<KeyHash>
        {
            KeyHash.Of(CacheDomain.Value, "", "k"),
            KeyHash.Of(CacheDomain.Output, "", "k"),
            KeyHash.Of(CacheDomain.Tag, "", "k"),
            KeyHash.Of(CacheDomain.Value, "", "K"),
            KeyHash.Of(CacheDomain.Value, "", "k\0"),
            KeyHash.Of(CacheDomain.Value, "", new string('k', 300)),
            KeyHash.Of(CacheDomain.Value, "", new string('k', 301)),
        };
        Assert.Equal(7, hashes.Count);
        // The instance's name stands before the key, as a prefix of it.
        Assert.Equal(KeyHash.Of(CacheDomain.Value, "", "a:k"), KeyHash.Of(CacheDomain.Value, "a:", "k"));
    }

    [Fact]
    public void Keys_are_spread_over_all_objects()
    {
        var layout = new CacheLayout(16, 31, "");
        var keys = Enumerable.Range(0, 16_000).Select(i => layout.Locate(CacheDomain.Value, $"key {i}").At).ToList();
        var counts = keys.CountBy(at => at.Object).Select(pair => pair.Value).ToList();
        Assert.Equal(16, counts.Count);
        Assert.All(counts, count => Assert.InRange(count, 800, 1200));
        Assert.Equal(keys.Count, keys.Distinct().Count());
        Assert.All(keys, at => Assert.True(at.Index < CacheLayout.FirstValueIndex));
    }

    private static string Text(CacheEntry entry) =>
        $"{entry.Key} {entry.Id} {entry.Lifetime} {entry.State} {entry.Length} {entry.FirstPage} {Convert.ToHexString(entry.Inline.Span)}";
}
