using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using Grid.Protocol;

namespace Grid.Client.Frontends;

/// <summary>
/// Where the pages of an origin's content lie in the pool: the same for every process. The file is cut into segments of 256 KiB; they go round 64 objects, so that a file lies on several nodes and
/// a few requests read much of it. A page's index is its number in the file; a segment's mark lies in the upper half of the index range.
/// </summary>
internal sealed class SegmentMap
{
    public const int SegmentBytes = 256 << 10;
    private const int Objects = 64;
    private const uint FirstMark = 1u << 31;
    private readonly ulong _word1;
    private readonly ulong _word2;

    public SegmentMap(string name, string version, int pageSizeBytes)
    {
        var hash = SHA256.HashData(Encoding.UTF8.GetBytes($"cached file\n{name}\n{version}"));
        _word1 = BinaryPrimitives.ReadUInt64LittleEndian(hash);
        _word2 = BinaryPrimitives.ReadUInt64LittleEndian(hash.AsSpan(8));
        PageSizeBytes = pageSizeBytes;
        Pages = SegmentBytes / pageSizeBytes;
    }

    public int PageSizeBytes { get; }

    /// <summary>Pages of a segment.</summary>
    public int Pages { get; }

    /// <summary>The longest file: what half of the index range can number.</summary>
    public long LengthMaxBytes => (long)FirstMark * PageSizeBytes;

    public ObjectId ObjectOf(long segment) => new((ulong)segment % Objects, _word1, _word2);

    public static uint MarkOf(long segment) => FirstMark + (uint)segment;

    public static long SegmentOf(long offset) => offset / SegmentBytes;
}
