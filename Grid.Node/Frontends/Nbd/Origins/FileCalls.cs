using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace Grid.Node.Frontends.Nbd.Origins;

/// <summary>What Linux can do with a file and .NET has no word for: holes.</summary>
internal static partial class FileCalls
{
    private const int KeepSize = 1;
    private const int PunchHole = 2;
    private const int SeekData = 3;
    private const int SeekHole = 4;
    private const int NoSuchAddress = 6;

    /// <summary>Makes a range a hole; false where the file system has none.</summary>
    public static bool TryPunch(SafeFileHandle file, long offset, long bytes) => Allocate(file, PunchHole | KeepSize, offset, bytes) == 0;

    /// <summary>Where the next bytes that take space begin; null where the file system does not say, the range's end where there are none.</summary>
    public static long? NextData(SafeFileHandle file, long offset, long end) => Next(file, offset, end, SeekData);

    /// <summary>Where the next hole begins; null where the file system does not say.</summary>
    public static long? NextHole(SafeFileHandle file, long offset, long end) => Next(file, offset, end, SeekHole);

    private static long? Next(SafeFileHandle file, long offset, long end, int whence)
    {
        var found = Seek(file, offset, whence);
        if (found >= 0) return Math.Min(found, end);
        return Marshal.GetLastPInvokeError() == NoSuchAddress ? end : null;
    }

    [LibraryImport("libc", EntryPoint = "fallocate", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int Allocate(SafeFileHandle file, int mode, long offset, long bytes);

    [LibraryImport("libc", EntryPoint = "lseek", SetLastError = true)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial long Seek(SafeFileHandle file, long offset, int whence);
}
