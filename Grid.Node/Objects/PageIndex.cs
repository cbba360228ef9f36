using Grid.Node.Journal;
using Grid.Node.Memory;

namespace Grid.Node.Objects;

/// <summary>What an object's index knows about one page.</summary>
internal struct IndexEntry
{
    /// <summary>The page number.</summary>
    public uint Index;

    /// <summary>0 where the slot is free, else 1 more than <see cref="StoredBytes"/>.</summary>
    private uint _usedAndBytes;

    /// <summary>Where the bytes lie in memory; default or stale where they do not.</summary>
    public PageRef Page;

    /// <summary>The object's counter when the page was last put.</summary>
    public ulong Changed;

    /// <summary>Persistent pools: the sequence number of the event that holds the page; 0 in ephemeral pools.</summary>
    public long SequenceNr;

    /// <summary>A used slot.</summary>
    public static IndexEntry Of(uint index) => new() { Index = index, _usedAndBytes = 1 };

    /// <summary>Whether the slot is used; the table's own business.</summary>
    public readonly bool IsUsed => _usedAndBytes != 0;

    /// <summary>Persistent pools: the bytes the page takes in that event; 0 in ephemeral pools.</summary>
    public int StoredBytes
    {
        readonly get => (int)_usedAndBytes - 1;
        set => _usedAndBytes = (uint)value + 1;
    }
}

/// <summary>
/// The page index of one object: an open-addressing table with linear probing, no tombstones, and growth by half, so that an entry
/// costs about 60 bytes. One actor owns it; it is not thread-safe. References are valid until the next <see cref="Add"/> or <see cref="Remove"/>.
/// </summary>
internal sealed class PageIndex
{
    private const int MinCapacity = 4;
    private const double MaxLoad = 0.85;
    private IndexEntry[] _slots = new IndexEntry[MinCapacity];

    /// <summary>Bytes of an entry's slot.</summary>
    public static readonly int SlotBytes = System.Runtime.CompilerServices.Unsafe.SizeOf<IndexEntry>();

    /// <summary>Pages in the index, stale ones included.</summary>
    public int Count { get; private set; }

    /// <summary>Bytes the table takes.</summary>
    public long SizeBytes => (long)_slots.Length * SlotBytes;

    /// <summary>Whether there is nothing, in a table of the least size.</summary>
    public bool IsSmallestAndEmpty => Count == 0 && _slots.Length == MinCapacity;

    /// <summary>Slots of the table, for sweeps by position; see <see cref="SlotAt"/>.</summary>
    public int Capacity => _slots.Length;

    /// <summary>The entry at a position of the table, or a null reference where none is.</summary>
    public ref IndexEntry SlotAt(int position)
    {
        ref var slot = ref _slots[position];
        return ref slot.IsUsed ? ref slot : ref System.Runtime.CompilerServices.Unsafe.NullRef<IndexEntry>();
    }

    /// <summary>Finds a page; a null reference (<see cref="System.Runtime.CompilerServices.Unsafe.IsNullRef{T}"/>) where there is none.</summary>
    public ref IndexEntry Find(uint index)
    {
        var slots = _slots;
        var position = Home(index, slots.Length);
        while (true)
        {
            ref var slot = ref slots[position];
            if (!slot.IsUsed) return ref System.Runtime.CompilerServices.Unsafe.NullRef<IndexEntry>();
            if (slot.Index == index) return ref slot;
            if (++position == slots.Length) position = 0;
        }
    }

    /// <summary>Adds a page that is not there yet.</summary>
    public ref IndexEntry Add(uint index)
    {
        if (Count + 1 > _slots.Length * MaxLoad) Resize(checked(_slots.Length + (_slots.Length >> 1) + 1));
        Count++;
        ref var slot = ref FreeSlot(_slots, index);
        slot = IndexEntry.Of(index);
        return ref slot;
    }

    /// <summary>Removes a page that is there, closing the gap so that probing stays short.</summary>
    public void Remove(uint index)
    {
        var slots = _slots;
        var hole = Home(index, slots.Length);
        while (!slots[hole].IsUsed || slots[hole].Index != index)
            if (++hole == slots.Length) hole = 0;
        var next = hole;
        while (true)
        {
            if (++next == slots.Length) next = 0;
            if (!slots[next].IsUsed) break;
            var home = Home(slots[next].Index, slots.Length);
            // An entry may fill the hole only if its home does not lie between the hole and itself (cyclically).
            var stays = hole <= next ? hole < home && home <= next : hole < home || home <= next;
            if (stays) continue;
            slots[hole] = slots[next];
            hole = next;
        }

        slots[hole] = default;
        Count--;
        if (slots.Length > 64 && Count < slots.Length / 4) Resize(slots.Length / 2);
    }

    /// <summary>Makes room for so many pages at once, instead of by and by.</summary>
    public void Reserve(int pages)
    {
        var capacity = (long)(pages / MaxLoad) + 1;
        if (capacity > _slots.Length && capacity <= Array.MaxLength) Resize((int)capacity);
    }

    /// <summary>
    /// Collects every page whose place lies in a range that begins with <paramref name="firstPlace"/>; gives the range's last place. Bounded work: the range ends where so many
    /// pages are found and no collision reaches across.
    /// </summary>
    /// <param name="firstPlace">The first place.</param>
    /// <param name="enough">How many pages are enough to end the range.</param>
    /// <param name="most">The most pages; fewer than <paramref name="enough"/> makes no sense.</param>
    /// <param name="found">Where to put them; what it held is removed.</param>
    public uint Collect(uint firstPlace, int enough, int most, List<IndexEntry> found)
    {
        found.Clear();
        var slots = _slots;
        var position = HomeOf(firstPlace, slots.Length);
        for (; position < slots.Length; position++)
        {
            ref var slot = ref slots[position];
            if (slot.IsUsed)
            {
                var place = PagePlace.Of(slot.Index);
                // What stands before its home was pushed around the table's end: its place is one of the last.
                if (place >= firstPlace && HomeOf(place, slots.Length) <= position) found.Add(slot);
            }
            else if (found.Count >= enough)
            {
                // A free slot: whatever has its home at or before it has been seen.
                return Cut(found, LastPlaceOf(position, slots.Length), most);
            }
        }

        for (position = 0; position < slots.Length && slots[position].IsUsed; position++)
        {
            var place = PagePlace.Of(slots[position].Index);
            if (place >= firstPlace && HomeOf(place, slots.Length) > position) found.Add(slots[position]);
        }

        return Cut(found, uint.MaxValue, most);
    }

    /// <summary>Removes everything.</summary>
    public void Clear()
    {
        _slots = new IndexEntry[MinCapacity];
        Count = 0;
    }

    private void Resize(int capacity)
    {
        var slots = new IndexEntry[capacity];
        foreach (ref var old in _slots.AsSpan())
            if (old.IsUsed) FreeSlot(slots, old.Index) = old;
        _slots = slots;
    }

    /// <summary>Indexes chosen to collide may make a range of more pages than fit: then it ends where they are full.</summary>
    private static uint Cut(List<IndexEntry> found, uint lastPlace, int most)
    {
        if (found.Count <= most) return lastPlace;
        found.Sort(static (a, b) => PagePlace.Of(a.Index).CompareTo(PagePlace.Of(b.Index)));
        found.RemoveRange(most, found.Count - most);
        return PagePlace.Of(found[^1].Index);
    }

    /// <summary>The last place whose home is a position.</summary>
    private static uint LastPlaceOf(int position, int capacity) => (uint)((((ulong)(position + 1) << 32) - 1) / (ulong)capacity);

    private static ref IndexEntry FreeSlot(IndexEntry[] slots, uint index)
    {
        var position = Home(index, slots.Length);
        while (slots[position].IsUsed)
            if (++position == slots.Length) position = 0;
        return ref slots[position];
    }

    /// <summary>Any capacity will do, and the table is in order of the pages' places but for what collisions push on.</summary>
    private static int Home(uint index, int capacity) => HomeOf(PagePlace.Of(index), capacity);

    private static int HomeOf(uint place, int capacity) => (int)((place * (ulong)capacity) >> 32);
}
