namespace Grid.Client.Frontends;

/// <summary>
/// What <see cref="Frontswap"/> knows of one swap device: two bytes a page. A page's bytes change only under its lock.
/// </summary>
internal sealed class SwapDevice(int type, uint pages)
{
    private const byte WrittenThroughBit = 0x80;
    private readonly byte[] _holders = new byte[pages];
    private readonly byte[] _mayHold = new byte[pages];

    public int Type => type;

    public uint Pages => pages;

    public KeyedLocks<uint> Locks { get; } = new();

    /// <summary>Whether another device has taken its place.</summary>
    public bool IsClosed { get; set; }

    /// <summary>The backend that a load goes to; -1 where the page is not in frontswap: the kernel's presence bit.</summary>
    public int HolderOf(uint offset) => (Volatile.Read(ref _holders[offset]) & ~WrittenThroughBit) - 1;

    /// <summary>Whether the page's owner was told to write it as well.</summary>
    public bool IsWrittenThrough(uint offset) => (_holders[offset] & WrittenThroughBit) != 0;

    public void SetHolder(uint offset, int backend, bool writtenThrough) =>
        Volatile.Write(ref _holders[offset], (byte)((backend + 1) | (writtenThrough ? WrittenThroughBit : 0)));

    public void ClearHolder(uint offset) => Volatile.Write(ref _holders[offset], 0);

    /// <summary>Whether the backend may have a page there, of whatever age: it is set before a store is tried, and cleared by an answer that says there is none.</summary>
    public bool MayHold(uint offset, int backend) => (_mayHold[offset] & (1 << backend)) != 0;

    public bool AnyMayHold(uint offset) => _mayHold[offset] != 0;

    public void SetMayHold(uint offset, int backend) => _mayHold[offset] |= (byte)(1 << backend);

    public void ClearMayHold(uint offset, int backend) => _mayHold[offset] &= (byte)~(1 << backend);

    /// <summary>Whether a backend may have a page there that it would not be loaded from.</summary>
    public bool HasLeftover(uint offset)
    {
        var holder = HolderOf(offset);
        return (_mayHold[offset] & (holder < 0 ? 0xFF : ~(1 << holder))) != 0;
    }

    /// <summary>Nothing is in frontswap any more.</summary>
    public void Clear()
    {
        Array.Clear(_holders);
        Array.Clear(_mayHold);
    }
}
