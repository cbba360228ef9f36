using System.Buffers.Binary;

namespace Grid.Client;

/// <summary>
/// The entries of all keys that hash onto one page: mostly one. Immutable. As a page, little-endian: "GCS1", u32 number of entries, 8 zero bytes; then the entries, each 32 bytes key hash, u64 id,
/// i64 absolute expiration, i64 sliding expiration, i64 last use (ticks), i32 length, u8 state, 3 zero bytes, u32 first page, 4 zero bytes, and the value if it is inline; then zeros.
/// </summary>
internal sealed class CacheSlot
{
    private const int HeaderBytes = 16;
    private const uint Magic = 0x3153_4347;

    private CacheSlot(IReadOnlyList<CacheEntry> entries) => Entries = entries;

    public static CacheSlot Empty { get; } = new([]);

    public IReadOnlyList<CacheEntry> Entries { get; }

    public int TakesBytes => HeaderBytes + Entries.Sum(entry => entry.TakesBytes);

    /// <summary>The longest value that stands in a slot: beside it there is room for an entry that is on its way.</summary>
    public static int InlineMaxBytes(int pageBytes) => pageBytes - HeaderBytes - (2 * CacheEntry.SizeBytes);

    /// <summary>The key's entry, unless it is pending.</summary>
    public CacheEntry? Find(KeyHash key) => Entries.FirstOrDefault(entry => !entry.IsPending && entry.Key == key);

    public CacheEntry? Find(ulong id) => Entries.FirstOrDefault(entry => entry.Id == id);

    public CacheSlot Without(CacheEntry? entry) => entry is null ? this : new CacheSlot([.. Entries.Where(other => !ReferenceEquals(other, entry))]);

    public CacheSlot WithoutDead(long nowTicks) => Entries.Any(entry => entry.IsDead(nowTicks)) ? new CacheSlot([.. Entries.Where(entry => !entry.IsDead(nowTicks))]) : this;

    /// <summary>With the entry as the newest. Where they do not all fit into a page, the oldest go.</summary>
    public CacheSlot With(CacheEntry entry, int pageBytes)
    {
        var entries = Entries.ToList();
        var takes = TakesBytes + entry.TakesBytes;
        while (takes > pageBytes)
        {
            takes -= entries[0].TakesBytes;
            entries.RemoveAt(0);
        }

        entries.Add(entry);
        return new CacheSlot(entries);
    }

    /// <summary>With a changed form of one of its entries, of the same size, in the entry's place.</summary>
    public CacheSlot With(CacheEntry entry, CacheEntry changed) => new([.. Entries.Select(other => ReferenceEquals(other, entry) ? changed : other)]);

    /// <summary>
    /// Runs of pages of values that this slot has and another does not. Not those of pending entries: where their writer has not put anything yet, others may have.
    /// </summary>
    public IEnumerable<PageRun> RunsGoneIn(CacheSlot other, int pageBytes) =>
        Entries.Where(entry => entry.State == CacheEntryState.Paged && other.Find(entry.Id) is null).Select(entry => entry.Run(pageBytes));

    /// <summary>Reads a slot. The entries' values stay in the page's buffer.</summary>
    /// <exception cref="FormatException">The page is no slot.</exception>
    public static CacheSlot Read(ReadOnlyMemory<byte> page)
    {
        var bytes = page.Span;
        if (BinaryPrimitives.ReadUInt32LittleEndian(bytes) != Magic) throw new FormatException("it does not begin with \"GCS1\"");
        var count = BinaryPrimitives.ReadUInt32LittleEndian(bytes[4..]);
        if (count > (bytes.Length - HeaderBytes) / CacheEntry.SizeBytes) throw new FormatException($"it claims {count} entries");
        var entries = new CacheEntry[count];
        var at = HeaderBytes;
        for (var i = 0; i < entries.Length; i++)
        {
            if (bytes.Length - at < CacheEntry.SizeBytes) throw new FormatException($"entry {i} does not fit");
            entries[i] = ReadEntry(page, ref at, i);
        }

        return new CacheSlot(entries);
    }

    /// <summary>Writes the slot as a page.</summary>
    public void Write(Span<byte> page)
    {
        page.Clear();
        BinaryPrimitives.WriteUInt32LittleEndian(page, Magic);
        BinaryPrimitives.WriteInt32LittleEndian(page[4..], Entries.Count);
        var rest = page[HeaderBytes..];
        foreach (var entry in Entries)
        {
            entry.Key.Write(rest);
            BinaryPrimitives.WriteUInt64LittleEndian(rest[32..], entry.Id);
            BinaryPrimitives.WriteInt64LittleEndian(rest[40..], entry.Lifetime.AbsoluteTicks);
            BinaryPrimitives.WriteInt64LittleEndian(rest[48..], entry.Lifetime.SlidingTicks);
            BinaryPrimitives.WriteInt64LittleEndian(rest[56..], entry.Lifetime.UsedTicks);
            BinaryPrimitives.WriteInt32LittleEndian(rest[64..], entry.Length);
            rest[68] = (byte)entry.State;
            BinaryPrimitives.WriteUInt32LittleEndian(rest[72..], entry.FirstPage);
            entry.Inline.Span.CopyTo(rest[CacheEntry.SizeBytes..]);
            rest = rest[entry.TakesBytes..];
        }
    }

    private static CacheEntry ReadEntry(ReadOnlyMemory<byte> page, ref int at, int number)
    {
        var bytes = page.Span[at..];
        var state = (CacheEntryState)bytes[68];
        var length = BinaryPrimitives.ReadInt32LittleEndian(bytes[64..]);
        var firstPage = BinaryPrimitives.ReadUInt32LittleEndian(bytes[72..]);
        if (state > CacheEntryState.Pending) throw new FormatException($"entry {number} has state {(byte)state}");
        var isInline = state == CacheEntryState.Inline;
        if (length < 0 || (isInline && length > bytes.Length - CacheEntry.SizeBytes)) throw new FormatException($"entry {number} has length {length}");
        if (!isInline && (firstPage < CacheLayout.FirstValueIndex || CacheEntry.PagesOf(length, page.Length) - 1L + firstPage > uint.MaxValue))
            throw new FormatException($"entry {number} has its pages at {firstPage}");
        var entry = new CacheEntry
        {
            Key = KeyHash.Read(bytes),
            Id = BinaryPrimitives.ReadUInt64LittleEndian(bytes[32..]),
            Lifetime = new CacheLifetime(
                BinaryPrimitives.ReadInt64LittleEndian(bytes[40..]), BinaryPrimitives.ReadInt64LittleEndian(bytes[48..]), BinaryPrimitives.ReadInt64LittleEndian(bytes[56..])),
            Length = length,
            State = state,
            FirstPage = firstPage,
            Inline = isInline ? page.Slice(at + CacheEntry.SizeBytes, length) : default,
        };
        at += entry.TakesBytes;
        return entry;
    }
}
