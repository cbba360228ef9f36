using System.Runtime.InteropServices;

namespace Grid.Node.Memory;

/// <summary>
/// Where a page lies in a <see cref="PageStore"/>: a frame and the generation in which it held the page, or the word that fills
/// the page. The default is no page. A reference whose frame has been given to another page is <em>stale</em>: the store tells, it never follows one.
/// 16 bytes.
/// </summary>
[StructLayout(LayoutKind.Sequential)]
public readonly record struct PageRef
{
    // The generation of the frame, or the word.
    internal readonly ulong Word;

    // The frame's id, or the account's slot of a same-filled page.
    internal readonly uint Id;

    private readonly byte _kind;
    private readonly byte _sizeShift;

    private PageRef(ulong word, uint id, Kind kind, int pageSizeBytes)
    {
        Word = word;
        Id = id;
        _kind = (byte)kind;
        _sizeShift = (byte)int.Log2(pageSizeBytes);
    }

    private enum Kind : byte
    {
        None = 0,
        Frame = 1,
        Same = 2,
    }

    /// <summary>Whether this refers to no page.</summary>
    public bool IsNone => _kind == (byte)Kind.None;

    /// <summary>Whether the page is one 64-bit word repeated, which takes no frame and is never evicted.</summary>
    public bool IsSameFilled => _kind == (byte)Kind.Same;

    /// <summary>Bytes of the page, 0 for none.</summary>
    public int PageSizeBytes => IsNone ? 0 : 1 << _sizeShift;

    internal bool IsFrame => _kind == (byte)Kind.Frame;

    internal static PageRef ToFrame(uint frame, ulong generation, int pageSizeBytes) => new(generation, frame, Kind.Frame, pageSizeBytes);

    internal static PageRef ToWord(ulong word, uint accountSlot, int pageSizeBytes) => new(word, accountSlot, Kind.Same, pageSizeBytes);
}
