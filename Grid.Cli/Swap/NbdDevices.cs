using System.Globalization;

namespace Grid.Cli.Swap;

/// <summary>The kernel's NBD devices, and which of them are used.</summary>
/// <param name="machine">The machine.</param>
internal sealed class NbdDevices(HostMachine machine)
{
    private const string Prefix = "nbd";

    /// <summary>Whether there are any.</summary>
    public bool Any => Numbers().Length > 0;

    /// <summary>The first that nobody uses; null: all are used.</summary>
    public string? FirstFree() => Numbers().Select(number => $"/dev/{Prefix}{number}").FirstOrDefault(device => !IsAttached(device));

    /// <summary>Whether a name is one of a whole NBD device.</summary>
    public static bool IsName(string device) =>
        device.StartsWith($"/dev/{Prefix}", StringComparison.Ordinal) && int.TryParse(device[(5 + Prefix.Length)..], NumberStyles.None, CultureInfo.InvariantCulture, out _);

    /// <summary>Whether there is this device.</summary>
    public bool Exists(string device) => File.Exists(machine.At(device));

    /// <summary>Whether it is attached to a server: the kernel tells a pid then.</summary>
    public bool IsAttached(string device) => File.Exists(machine.At($"{Block(device)}/pid"));

    /// <summary>Bytes of a device; 0: it is not attached.</summary>
    public long SizeBytes(string device) => long.TryParse(machine.Read($"{Block(device)}/size"), NumberStyles.None, CultureInfo.InvariantCulture, out var sectors) ? sectors * 512 : 0;

    private static string Block(string device) => $"/sys/block/{Path.GetFileName(device)}";

    private int[] Numbers() => Directory.Exists(machine.At("/dev"))
        ?
        [
            .. Directory.EnumerateFileSystemEntries(machine.At("/dev"), $"{Prefix}*")
                .Select(path => int.TryParse(Path.GetFileName(path).AsSpan(Prefix.Length), NumberStyles.None, CultureInfo.InvariantCulture, out var number) ? number : -1)
                .Where(number => number >= 0)
                .Order(),
        ]
        : [];
}
