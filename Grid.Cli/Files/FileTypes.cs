using System.Buffers.Binary;
using System.Runtime.InteropServices;

namespace Grid.Cli.Files;

/// <summary>What kind of thing a path is, where .NET does not tell.</summary>
internal static class FileTypes
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

    // struct statx has the same layout on every architecture, unlike struct stat.
    [DllImport("libc", EntryPoint = "statx", CharSet = CharSet.Ansi, BestFitMapping = false)]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern int Statx(int directory, [MarshalAs(UnmanagedType.LPUTF8Str)] string path, int flags, uint mask, byte[] status);
}
