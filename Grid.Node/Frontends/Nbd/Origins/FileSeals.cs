using System.Globalization;
using System.Security.Cryptography;
using Microsoft.Win32.SafeHandles;

namespace Grid.Node.Frontends.Nbd.Origins;

/// <summary>
/// By what a file is recognized. One that is only read: by its length, its time of change and samples of it, so that each node may have a copy. One that is written: by a number in a file beside it, so that a
/// node that has another file at that path finds out; where the file system does not show one machine at once what another writes, by the machine as well.
/// </summary>
internal static class FileSeals
{
    /// <summary>What is added to a file's name for the file beside it.</summary>
    public const string Suffix = ".grid-export";

    private const int Samples = 16;
    private const int SampleBytes = 4096;
    private const int MostBytes = 200;

    // Those of which Linux's statfs says so little that .NET names them by what serves them.
    private static readonly string[] Incoherent = ["nfs", "nfs4", "smb", "smb2", "cifs", "9p", "v9fs", "fuse", "fuseblk", "afs", "ncp", "novell"];

    /// <summary>What a file that is only read is recognized by.</summary>
    public static string OfReadOnly(SafeFileHandle file)
    {
        var length = RandomAccess.GetLength(file);
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var sample = new byte[SampleBytes];
        for (var i = 0; i < Samples; i++)
        {
            var read = RandomAccess.Read(file, sample, Math.Max(0, length - SampleBytes) / (Samples - 1) * i);
            hash.AppendData(sample, 0, read);
        }

        return string.Create(CultureInfo.InvariantCulture, $"file of {length} bytes, changed at {ChangedAt(file)}, {Convert.ToHexString(hash.GetHashAndReset().AsSpan(0, 16))}");
    }

    /// <summary>When a file was changed, in seconds: copies need not keep more.</summary>
    public static long ChangedAt(SafeFileHandle file) => new DateTimeOffset(File.GetLastWriteTimeUtc(file)).ToUnixTimeSeconds();

    /// <summary>What a file that is written is recognized by.</summary>
    /// <param name="path">The file.</param>
    /// <param name="export">The export's number.</param>
    /// <param name="isNew">Whether no node has opened it yet: only then is a number given.</param>
    /// <param name="isOther">Whether a number is that of another export there is.</param>
    /// <exception cref="IOException">It is not the file that it was, or another export's.</exception>
    public static string OfWritten(string path, ulong export, bool isNew, Func<ulong, bool> isOther)
    {
        var beside = path + Suffix;
        var head = FormattableString.Invariant($"grid export {export:x16} ");
        for (var attempt = 0; attempt < 2; attempt++)
        {
            if (File.Exists(beside))
            {
                var found = ReadText(beside);
                if (found.StartsWith(head, StringComparison.Ordinal)) return found + Machine(path);
                if (!isNew) throw new IOException($"{beside} says that {path} is the file of something else ('{found}')");
                var parts = found.Split(' ');
                if (parts.Length > 2 && ulong.TryParse(parts[2], NumberStyles.HexNumber, CultureInfo.InvariantCulture, out var other) && isOther(other))
                    throw new IOException($"{path} is the origin of another export already (see {beside})");
                File.Delete(beside);
            }
            else if (!isNew)
            {
                throw new IOException($"{path} is not the file that this export was first served from, for {beside} is not there: nodes that do not see the same file cannot serve it");
            }

            try
            {
                using var file = new FileStream(beside, FileMode.CreateNew, FileAccess.Write);
                var text = head + Convert.ToHexString(RandomNumberGenerator.GetBytes(16));
                file.Write(System.Text.Encoding.ASCII.GetBytes(text));
                file.Flush(flushToDisk: true);
                return text + Machine(path);
            }
            catch (IOException) when (File.Exists(beside))
            {
                // Another node was faster: what it wrote counts.
            }
        }

        throw new IOException($"{beside} is written again and again by others");
    }

    /// <summary>Takes a number away that did not come to count.</summary>
    public static void Withdraw(string path) => File.Delete(path + Suffix);

    private static string ReadText(string path)
    {
        using var file = File.OpenHandle(path);
        var bytes = new byte[MostBytes];
        return System.Text.Encoding.ASCII.GetString(bytes, 0, RandomAccess.Read(file, bytes, 0)).Trim();
    }

    private static string Machine(string path)
    {
        var format = new DriveInfo(Path.GetDirectoryName(Path.GetFullPath(path))!).DriveFormat;
        if (!Incoherent.Contains(format, StringComparer.OrdinalIgnoreCase)) return "";
        const string Id = "/etc/machine-id";
        return $" on {(File.Exists(Id) ? ReadText(Id) : Environment.MachineName)} ({format})";
    }
}
