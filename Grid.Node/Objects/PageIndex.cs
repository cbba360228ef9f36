using Grid.Node.Memory;

namespace Grid.Node.Objects;

/// <summary>What an object's index knows about one page.</summary>
internal struct IndexEntry
{
    /// <summary>The page number.</summary>
    public uint Index;

    /// <summary>1 where the slot is used; the table's own business.</summary>
    internal uint Used;

    /// <summary>Where the bytes lie in memory; default or stale where they do not.</summary>
    public PageRef Page;

    /// <summary>The object's counter when the page was last put.</summary>
    public ulong Changed;

    /// <summary>Persistent pools: the sequence number of the event that holds the page; 0 in ephemeral pools.</summary>
    public long SequenceNr;
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

    /// <summary>Slots of the table, for sweeps by position; see <see cref="SlotAt"/>.</summary>
    public int Capacity => _slots.Length;

    /// <summary>The entry at a position of the table, or a null reference where none is.</summary>
    public ref IndexEntry SlotAt(int position)
    {
        ref var slot = ref _slots[position];
        return ref slot.Used != 0 ? ref slot : ref System.Runtime.CompilerServices.Unsafe.NullRef<IndexEntry>();
    }

    /// <summary>Finds a page; a null reference (<see cref="System.Runtime.CompilerServices.Unsafe.IsNullRef{T}"/>) where there is none.</summary>
    public ref IndexEntry Find(uint index)
    {
        var slots = _slots;
        var position = Home(index, slots.Length);
        while (true)
        {
            ref var slot = ref slots[position];
            if (slot.Used == 0) return ref System.Runtime.CompilerServices.Unsafe.NullRef<IndexEntry>();
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
        slot = new IndexEntry { Index = index, Used = 1 };
        return ref slot;
    }

    /// <summary>Removes a page that is there, closing the gap so that probing stays short.</summary>
    public void Remove(uint index)
    {
        var slots = _slots;
        var hole = Home(index, slots.Length);
        while (slots[hole].Used == 0 || slots[hole].Index != index)
            if (++hole == slots.Length) hole = 0;
        var next = hole;
        while (true)
        {
            if (++next == slots.Length) next = 0;
            if (slots[next].Used == 0) break;
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
            if (old.Used != 0) FreeSlot(slots, old.Index) = old;
        _slots = slots;
    }

    private static ref IndexEntry FreeSlot(IndexEntry[] slots, uint index)
    {
        var position = Home(index, slots.Length);
        while (slots[position].Used != 0)
            if (++position == slots.Length) position = 0;
        return ref slots[position];
    }

    /// <summary>Fibonacci hashing, then the high half of hash × capacity: any capacity will do.</summary>
    private static int Home(uint index, int capacity) => (int)((index * 0x9E3779B9 * (ulong)capacity) >> 32);
}
