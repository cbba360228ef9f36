using CsCheck;
using Grid.Node.Journal;
using Grid.Node.Memory;
using Grid.Protocol;
using Xunit;

namespace Grid.Tests.Journal;

public sealed class EventFormatTests
{
    private static readonly ObjectKey Key = JournalBed.Key;

    [Fact]
    public void Format_1_with_these_bytes_is_read_for_good()
    {
        var bytes = Convert.FromHexString(
            "01000c00" + "05000000" + "8877665544332211" + "02000000" + "aa000000" + "92653699be22ba7b" + "04e529a28f3383bc"
            + "0300000000000000" + "00000000" + "00000000" + "0000000000000000"
            + "0103000005000000" + "a0000000" + "08000000" + "43220f3851beda1e"
            + "02000000ffffffff" + "00000000" + "00000000" + "0000000000000000"
            + "0101000006000000" + "a8000000" + "02000000" + "ad327333d980d1c6"
            + "0400000000000000" + "00000000" + "00000000" + "0000000000000000"
            + "0102030405060708" + "aabb");
        var reader = EventReader.Open(Key, 9, bytes);
        reader.VerifyPages();
        Assert.Equal((1, 0x1122334455667788ul, 2u, 0L, 0L), (reader.Header.Format, reader.Header.Incarnation, reader.Header.PagesAfter, reader.Header.Base, reader.Header.LogBytes));
        Assert.Equal([3, 1, 2, 1, 4], Enumerable.Range(0, reader.Entries.Count).Select(i => (int)reader.Entries[i].Kind));
        Assert.Equal([1, 2, 3, 4, 5, 6, 7, 8], reader.Page(5).Stored.ToArray());
        Assert.Equal([0xAA, 0xBB], reader.Page(6).Stored.ToArray());
        Assert.False(reader.TryPage(0xFFFFFFFF, out _));
    }

    [Fact]
    public void A_checkpoint_s_piece_says_what_it_was_given()
    {
        var builder = new EventBuilder(4096);
        builder.Range(0, uint.MaxValue, 3);
        builder.Held(7, 4096, 2);
        builder.Held(uint.MaxValue, 8, 8);
        var bytes = builder.ToEvent(Key, 1, 2, new LogPosition(2, 1000)).Bytes;
        var reader = EventReader.Open(Key, 9, bytes);
        Assert.Equal((2L, 1000L + bytes.Length), (reader.Header.Base, reader.Header.LogBytes));
        Assert.Equal((0u, uint.MaxValue, 3L), (reader.Entries[0].FirstPlace, reader.Entries[0].LastPlace, reader.Entries[0].FirstPiece));
        Assert.Equal((7u, 4096, 2L), (reader.Entries[1].Index, reader.Entries[1].StoredBytes, reader.Entries[1].HeldBy));
        Assert.False(reader.TryPage(7, out _));
        // An event can't hold on to a later one.
        Assert.Throws<JournalCorruptException>(() => EventReader.Open(Key, 8, bytes));
        Assert.Equal(8, EventReader.Open(Key, 9, builder.ToEvent(Key, 1, 2, new LogPosition(2, 0, BaseIsHere: true)).Bytes).Header.Base);
    }

    [Fact]
    public void What_was_built_is_read_back() => Sequences.Sample(
        steps =>
        {
            var (builder, model) = (new EventBuilder(4096), new Model());
            foreach (var step in steps) model.Apply(builder, step);
            var reader = EventReader.Open(Key, 9, builder.ToEvent(Key, 77, 5).Bytes);

            Assert.Equal((77ul, 5u, 4096), (reader.Header.Incarnation, reader.Header.PagesAfter, reader.Header.PageSizeBytes));
            reader.VerifyPages();
            foreach (var (index, expected) in model.Pages)
            {
                Assert.Equal(expected is not null, reader.TryPage(index, out var page));
                if (expected is { } put) Assert.True(page.Codec == put.Codec && page.Stored.Span.SequenceEqual(put.Stored));
            }
        },
        iter: 500);

    [Fact]
    public void A_builder_can_be_used_again()
    {
        var builder = new EventBuilder(4096);
        builder.Put(1, PageCodec.Same, new byte[8]);
        var first = builder.ToEvent(Key, 1, 1).Bytes.ToArray();
        builder.Clear();
        Assert.True(builder.IsEmpty);
        builder.Put(1, PageCodec.Raw, new byte[4096]);
        builder.Clear();
        builder.Put(1, PageCodec.Same, new byte[8]);
        Assert.Equal(first, builder.ToEvent(Key, 1, 1).Bytes.ToArray());
    }

    [Fact]
    public void Every_flipped_bit_is_found()
    {
        var builder = new EventBuilder(4096);
        builder.Put(0, PageCodec.Lz4, Enumerable.Range(0, 300).Select(i => (byte)i).ToArray());
        builder.Flush(3);
        builder.Put(1, PageCodec.Same, new byte[8]);
        builder.Put(2, PageCodec.Zstd, [1]);
        var bytes = builder.ToEvent(Key, 1, 3).Bytes.ToArray();
        for (var bit = 0; bit < bytes.Length * 8; bit++)
        {
            bytes[bit / 8] ^= (byte)(1 << (bit % 8));
            Assert.Throws<JournalCorruptException>(() => EventReader.Open(Key, 1, bytes).VerifyPages());
            bytes[bit / 8] ^= (byte)(1 << (bit % 8));
        }

        EventReader.Open(Key, 1, bytes).VerifyPages();
    }

    [Fact]
    public void A_truncated_or_lengthened_event_is_found()
    {
        var bytes = JournalBed.PageEvent(Key, 1, 1).Bytes;
        for (var length = 0; length < bytes.Length; length += length < 100 ? 1 : 97)
        {
            var cut = length;
            Assert.Throws<JournalCorruptException>(() => EventReader.Open(Key, 1, bytes[..cut]));
        }

        Assert.Throws<JournalCorruptException>(() => EventReader.Open(Key, 1, bytes.ToArray().Append((byte)0).ToArray()));
    }

    [Fact]
    public void An_event_of_another_object_is_refused_by_name()
    {
        var bytes = JournalBed.PageEvent(Key, 1, 1).Bytes;
        var other = Key with { Object = new ObjectId(1, 2, 4) };
        var failure = Assert.Throws<JournalCorruptException>(() => EventReader.Open(other, 41, bytes));
        Assert.Contains(other.ToString(), failure.Message, StringComparison.Ordinal);
        Assert.Contains("41", failure.Message, StringComparison.Ordinal);
        Assert.Throws<JournalCorruptException>(() => EventReader.Open(Key with { Pool = new PoolId(8) }, 41, bytes));
    }

    [Fact]
    public void A_damaged_page_is_refused_by_name_and_the_others_are_served()
    {
        var builder = new EventBuilder(4096);
        builder.Put(8, PageCodec.Raw, JournalBed.Page(Key, 8));
        builder.Put(9, PageCodec.Raw, JournalBed.Page(Key, 9));
        var bytes = builder.ToEvent(Key, 1, 2).Bytes.ToArray();
        bytes[^1] ^= 1;
        var reader = EventReader.Open(Key, 12, bytes);
        Assert.Equal(JournalBed.Page(Key, 8), reader.Page(8).Stored.ToArray());
        var failure = Assert.Throws<JournalCorruptException>(() => reader.Page(9));
        Assert.Contains(new Handle(Key.Pool, Key.Object, 9).ToString(), failure.Message, StringComparison.Ordinal);
        Assert.Contains("12", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_head_alone_tells_the_entries()
    {
        var builder = new EventBuilder(65536);
        for (var i = 0u; i < 16; i++) builder.Put(i, PageCodec.Raw, new byte[65536]);
        var bytes = builder.ToEvent(Key, 1, 16).Bytes;
        var header = EventHeader.Read(Key, 1, bytes.Span[..64]);
        Assert.Equal(16u, header.PagesAfter);
        var reader = EventReader.OpenHead(Key, 1, bytes[..header.HeadBytes]);
        Assert.Equal(16, reader.Entries.Count);
        Assert.Throws<InvalidOperationException>(() => reader.Page(3));
    }

    [Fact]
    public void A_full_builder_says_so()
    {
        var builder = new EventBuilder(4096);
        for (var i = 0u; i < 256; i++) builder.Put(i, PageCodec.Raw, new byte[4096]);
        Assert.False(builder.HasRoomFor(1, 1));
        Assert.True(builder.HasRoomFor(1, 0));
        Assert.Throws<InvalidOperationException>(() => builder.Put(256, PageCodec.Same, new byte[8]));
        EventReader.Open(Key, 1, builder.ToEvent(Key, 1, 256).Bytes).VerifyPages();
        Assert.Throws<ArgumentException>(() => new EventBuilder(4096).Put(0, PageCodec.Raw, new byte[8192]));
        Assert.Throws<InvalidOperationException>(() => new EventBuilder(4096).ToEvent(Key, 1, 0));
    }

    [Fact]
    public void Persistence_ids_name_their_object() => Gen.Select(Gen.ULong, Gen.ULong, Gen.ULong, Gen.ULong).Sample((pool, a, b, c) =>
    {
        var key = new ObjectKey(new PoolId(pool), new ObjectId(a, b, c));
        var id = JournalIds.ForObject(key);
        Assert.StartsWith(JournalIds.PoolPrefix(key.Pool), id, StringComparison.Ordinal);
        Assert.True(JournalIds.TryParseObject(id, out var parsed));
        Assert.Equal(key, parsed);
        Assert.False(JournalIds.TryParseObject(JournalIds.Pools, out _));
    });

    private sealed record Step(int Kind, uint Index, int Seed);

    private static Gen<Step[]> Sequences { get; } =
        Gen.Select(Gen.Int[0, 6], Gen.UInt[0, 5], Gen.Int[1, 4000], (kind, index, seed) => new Step(kind, index, seed)).Array[1, 40];

    private sealed class Model
    {
        public Dictionary<uint, (PageCodec Codec, byte[] Stored)?> Pages { get; } = [];

        public void Apply(EventBuilder builder, Step step)
        {
            switch (step.Kind)
            {
                case 0:
                    builder.FlushObject();
                    foreach (var index in Pages.Keys.ToArray()) Pages[index] = null;
                    break;
                case 1:
                    builder.Flush(step.Index);
                    Pages[step.Index] = null;
                    break;
                case 2:
                    builder.Fence();
                    break;
                default:
                    var codec = (PageCodec)(step.Kind - 3);
                    var stored = new byte[codec switch { PageCodec.Raw => 4096, PageCodec.Same => 8, _ => step.Seed }];
                    new Random(step.Seed).NextBytes(stored);
                    builder.Put(step.Index, codec, stored);
                    Pages[step.Index] = (codec, stored);
                    break;
            }
        }
    }
}
