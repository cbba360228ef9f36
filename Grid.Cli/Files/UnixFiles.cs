using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace Grid.Cli.Files;

/// <summary>What the system knows and can do about files and .NET does not show.</summary>
internal static class UnixFiles
{
    private const int AtFdCwd = -100;
    private const int NoFollow = 0x100;
    private const uint TypeMask = 1;
    private const int StatxBytes = 256;
    private const int ModeOffset = 28;
    private const int FormatBits = 0xF000;
    private const int RegularFile = 0x8000;

    /// <summary>Whether it is a socket, pipe or device: opening one for reading may wait forever.</summary>
    /// <param name="path">The path.</param>
    public static bool IsSpecial(string path)
    {
        if (!OperatingSystem.IsLinux()) return false;
        var status = new byte[StatxBytes];
        // What cannot be asked about fails with a proper message when it is opened.
        if (Statx(AtFdCwd, path, NoFollow, TypeMask, status) != 0) return false;
        var format = BinaryPrimitives.ReadUInt16LittleEndian(status.AsSpan(ModeOffset)) & FormatBits;
        return format is not RegularFile and not 0x4000 and not 0xA000;
    }

    /// <summary>Gives a file or link another name, in place of what bears it; .NET's move follows a link to see whether it is there.</summary>
    /// <param name="from">The old path.</param>
    /// <param name="to">The new path.</param>
    /// <exception cref="IOException">It cannot be done.</exception>
    public static void Rename(string from, string to)
    {
        if (RenameFile(from, to) != 0) throw new IOException($"{to}: {Marshal.GetPInvokeErrorMessage(Marshal.GetLastPInvokeError())}");
    }

    // struct statx has the same layout on every architecture, unlike struct stat.
    [DllImport("libc", EntryPoint = "statx", BestFitMapping = false)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int Statx(int directory, [MarshalAs(UnmanagedType.LPUTF8Str)] string path, int flags, uint mask, byte[] status);

    [DllImport("libc", EntryPoint = "rename", SetLastError = true, BestFitMapping = false)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int RenameFile([MarshalAs(UnmanagedType.LPUTF8Str)] string from, [MarshalAs(UnmanagedType.LPUTF8Str)] string to);
}
