using System.Globalization;
using System.IO.Compression;

namespace Grid.Bench.Harness;

/// <summary>
/// Pages of a real program's memory: this process's own when the benchmark begins, code, constants, managed and native heap alike, as /proc/self/maps lists
/// them. Left out is what would flatter compression: pages of one repeated byte, and pages that occur twice.
/// </summary>
internal sealed class MemoryCorpus
{
    private MemoryCorpus(byte[] bytes, int candidates)
    {
        Bytes = bytes;
        Description = string.Create(
            CultureInfo.InvariantCulture,
            $"Memory pages: {bytes.Length / Payload.PageBytes:#,0} of the {candidates:#,0} different ones in this process's memory; Deflate's fastest level makes {Deflated(bytes) / bytes.Length:p0} of them, page by page.");
    }

    /// <summary>The pages.</summary>
    public byte[] Bytes { get; }

    /// <summary>What they are, for people.</summary>
    public string Description { get; }

    /// <summary>Takes pages, evenly over the whole memory.</summary>
    /// <param name="count">How many.</param>
    public static MemoryCorpus Take(int count)
    {
        var pages = new List<byte[]>();
        var seen = new HashSet<Int128>();
        using var memory = new FileStream("/proc/self/mem", FileMode.Open, FileAccess.Read, FileShare.ReadWrite, bufferSize: 0);
        foreach (var (from, to) in Mappings())
        {
            for (var address = from; address < to; address += Payload.PageBytes)
            {
                var page = new byte[Payload.PageBytes];
                if (!TryRead(memory, address, page)) break;
                if (page.AsSpan().IndexOfAnyExcept(page[0]) >= 0 && seen.Add(Digest(page))) pages.Add(page);
            }
        }

        if (pages.Count < count) throw new BenchException($"this process has only {pages.Count} different pages of memory, {count} are needed");
        var bytes = new byte[count * Payload.PageBytes];
        for (var i = 0; i < count; i++) pages[(int)((long)i * pages.Count / count)].CopyTo(bytes, i * Payload.PageBytes);
        return new MemoryCorpus(bytes, pages.Count);
    }

    private static IEnumerable<(long From, long To)> Mappings()
    {
        foreach (var line in File.ReadAllLines("/proc/self/maps"))
        {
            // "from-to rwxp offset device inode name"; what is not readable, or the kernel's own, is no memory of the program.
            var parts = line.Split(' ', StringSplitOptions.RemoveEmptyEntries);
            if (!parts[1].StartsWith('r') || parts[^1] is "[vvar]" or "[vsyscall]" or "[vvar_vclock]") continue;
            var range = parts[0].Split('-');
            if (long.TryParse(range[0], NumberStyles.HexNumber, CultureInfo.InvariantCulture, out var from)
                && long.TryParse(range[1], NumberStyles.HexNumber, CultureInfo.InvariantCulture, out var to))
                yield return (from, to);
        }
    }

    /// <summary>False where the mapping ends before what the list says (a file that is shorter, a mapping that is gone).</summary>
    private static bool TryRead(FileStream memory, long address, byte[] page)
    {
        try
        {
            return RandomAccess.Read(memory.SafeFileHandle, page, address) == page.Length;
        }
        catch (IOException)
        {
            return false;
        }
    }

    private static Int128 Digest(byte[] page) => System.Buffers.Binary.BinaryPrimitives.ReadInt128LittleEndian(System.Security.Cryptography.SHA256.HashData(page));

    private static double Deflated(byte[] bytes)
    {
        var all = 0L;
        using var output = new MemoryStream();
        for (var offset = 0; offset < bytes.Length; offset += Payload.PageBytes)
        {
            output.SetLength(0);
            using (var deflate = new DeflateStream(output, CompressionLevel.Fastest, leaveOpen: true)) deflate.Write(bytes, offset, Payload.PageBytes);
            all += Math.Min(output.Length, Payload.PageBytes);
        }

        return all;
    }
}
