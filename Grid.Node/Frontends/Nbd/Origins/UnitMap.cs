using Grid.Client;
using Grid.Protocol;

namespace Grid.Node.Frontends.Nbd.Origins;

/// <summary>A unit: so much of a device as is read from its origin at a time.</summary>
/// <param name="Object">The object that holds it.</param>
/// <param name="Number">Its number in the object.</param>
internal readonly record struct UnitId(ObjectId Object, int Number);

/// <summary>A part of a range that one write of pages and marks can carry.</summary>
/// <param name="Object">The object.</param>
/// <param name="Offset">Where it begins in the device.</param>
/// <param name="At">Bytes of the range before it.</param>
/// <param name="Bytes">Its bytes.</param>
/// <param name="FirstPage">The first page it touches.</param>
/// <param name="LastPage">The last page it touches.</param>
internal readonly record struct WritePiece(ObjectId Object, long Offset, long At, int Bytes, int FirstPage, int LastPage);

/// <summary>
/// How a device with an origin lies in the objects of its pool: pages as in any device, a unit's mark in the upper half of the index range.
/// </summary>
/// <param name="PageBytes">Bytes of a page.</param>
/// <param name="SizeBytes">Bytes of the device.</param>
/// <param name="Export">The export's number.</param>
internal sealed record UnitMap(int PageBytes, long SizeBytes, ulong Export)
{
    /// <summary>Bytes of a unit, the largest page's.</summary>
    public const int UnitBytes = 64 << 10;

    private const uint FirstMark = 1u << 31;

    /// <summary>Pages of a unit.</summary>
    public int UnitPages => UnitBytes / PageBytes;

    /// <summary>Units of which one batch can write all pages and marks.</summary>
    public int BatchUnits => Math.Min(ProtocolLimits.MaxBatchPages / (UnitPages + 1), ProtocolLimits.MaxBatchBytes / UnitBytes);

    /// <summary>The index of a unit's mark.</summary>
    public static uint MarkOf(int unit) => FirstMark + (uint)unit;

    /// <summary>The unit of a page.</summary>
    public int UnitOf(int page) => page / UnitPages;

    /// <summary>Pages of a unit that the device has.</summary>
    /// <param name="part">The object's number.</param>
    /// <param name="unit">The unit.</param>
    public int PagesOf(long part, int unit) => (int)Math.Min(UnitPages, (SizeBytes - OffsetOf(part, unit) + PageBytes - 1) / PageBytes);

    /// <summary>Where a unit begins in the device.</summary>
    public static long OffsetOf(long part, int unit) => (part * NbdExport.ObjectBytes) + ((long)unit * UnitBytes);

    /// <summary>The pieces of a range that is written.</summary>
    public IEnumerable<WritePiece> Split(long offset, long length)
    {
        var most = (long)BatchUnits * UnitBytes;
        for (long at = 0; at < length;)
        {
            var begin = offset + at;
            var inObject = begin % NbdExport.ObjectBytes;
            var bytes = (int)Math.Min(Math.Min(length - at, NbdExport.ObjectBytes - inObject), most - (inObject % most));
            yield return new WritePiece(
                NbdExport.ObjectOf((ulong)(begin / NbdExport.ObjectBytes), Export), begin, at, bytes, (int)(inObject / PageBytes), (int)((inObject + bytes - 1) / PageBytes));
            at += bytes;
        }
    }
}
