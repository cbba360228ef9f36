using System.Buffers;
using System.Buffers.Binary;
using Grid.Node.Memory;
using Grid.Protocol;

namespace Grid.Tests.Memory;

/// <summary>How the bytes of a test's page look.</summary>
public enum Look
{
    /// <summary>Nothing shrinks it.</summary>
    Random,

    /// <summary>Shrinks to about a third, a different third each time.</summary>
    Text,

    /// <summary>Shrinks to next to nothing, but no word fills it.</summary>
    Sparse,

    /// <summary>One word fills it.</summary>
    Same,
}

/// <summary>Pages that are known by a number, so that a model needs to remember only that.</summary>
internal static class Pages
{
    public static PoolAccount Account(ulong id = 1, PageCompression compression = PageCompression.None, int bytes = 4096, bool ephemeral = true) =>
        new(new PoolId(id), compression, bytes, ephemeral);

    public static PageStore Store(int mebibytes = 16) => new(new PageStoreOptions((long)mebibytes << 20));

    /// <summary>Fills a page; equal arguments give equal bytes, other numbers other bytes.</summary>
    public static void Fill(Span<byte> page, ulong number, Look look)
    {
        switch (look)
        {
            case Look.Same:
                for (var at = 0; at < page.Length; at += 8) BinaryPrimitives.WriteUInt64LittleEndian(page[at..], number);
                break;
            case Look.Sparse:
                page.Clear();
                BinaryPrimitives.WriteUInt64LittleEndian(page[(int)(number * 8 % (ulong)page.Length)..], number | 1ul << 63);
                break;
            default:
                // splitmix64; text keeps three bits of a byte.
                var seed = number;
                for (var at = 0; at < page.Length; at += 8)
                {
                    var word = seed += 0x9E3779B97F4A7C15;
                    word = (word ^ (word >> 30)) * 0xBF58476D1CE4E5B9;
                    word = (word ^ (word >> 27)) * 0x94D049BB133111EB;
                    word ^= word >> 31;
                    if (look == Look.Text) word &= 0x0007_0003_0007_0001ul << (int)(number & 3);
                    BinaryPrimitives.WriteUInt64LittleEndian(page[at..], word);
                }
                break;
        }
    }

    public static byte[] Make(int bytes, ulong number, Look look)
    {
        var page = new byte[bytes];
        Fill(page, number, look);
        return page;
    }

    /// <summary>The page in pieces that end at the given places, as a receive buffer has it.</summary>
    public static ReadOnlySequence<byte> Pieces(byte[] page, params ReadOnlySpan<int> ends)
    {
        Piece? first = null, last = null;
        var start = 0;
        foreach (var end in (int[])[.. ends, page.Length])
        {
            last = new Piece(page.AsMemory(start, end - start), last);
            first ??= last;
            start = end;
        }
        return new ReadOnlySequence<byte>(first!, 0, last!, last!.Memory.Length);
    }

    /// <summary>Stores a page as an object would; none where it is refused.</summary>
    public static PageRef Put(this PageStore store, PoolAccount account, ulong number, Look look = Look.Random, bool evictable = true)
    {
        if (!store.TryStore(account, Make(account.PageSizeBytes, number, look), out var page)) return default;
        store.Publish(page, evictable);
        return page;
    }

    /// <summary>Reads a page; null where it is gone.</summary>
    public static byte[]? Read(this PageStore store, PageRef page)
    {
        if (!store.TryPin(page)) return null;
        var bytes = new byte[page.PageSizeBytes];
        store.CopyTo(page, bytes);
        store.Unpin(page);
        return bytes;
    }

    private sealed class Piece : ReadOnlySequenceSegment<byte>
    {
        public Piece(ReadOnlyMemory<byte> memory, Piece? previous)
        {
            Memory = memory;
            if (previous is null) return;
            RunningIndex = previous.RunningIndex + previous.Memory.Length;
            previous.Next = this;
        }
    }
}
