using System.Globalization;

namespace Grid.Tests.Harness;

/// <summary>What the kernel tells of this machine's sockets.</summary>
internal static class Sockets
{
    /// <summary>Bytes that have come for the connections to a port and that its process has not read yet.</summary>
    public static long UnreadBytes(int port)
    {
        var local = string.Create(CultureInfo.InvariantCulture, $":{port:X4}");
        // "sl local_address rem_address st tx_queue:rx_queue …", numbers in hexadecimal; state 01 is an established connection.
        return File.ReadLines("/proc/net/tcp").Concat(File.ReadLines("/proc/net/tcp6")).Skip(1)
            .Select(line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries))
            .Where(fields => fields[1].EndsWith(local, StringComparison.Ordinal) && fields[3] == "01")
            .Sum(fields => long.Parse(fields[4].Split(':')[1], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture));
    }
}
