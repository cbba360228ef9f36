using System.Globalization;

namespace Grid.Cli.Swap;

/// <summary>A device that the kernel swaps to, as /proc/swaps tells.</summary>
/// <param name="Device">The device.</param>
/// <param name="SizeBytes">How much it takes.</param>
/// <param name="UsedBytes">How much lies there.</param>
/// <param name="Priority">Its priority.</param>
internal sealed record SwapArea(string Device, long SizeBytes, long UsedBytes, int Priority)
{
    private const int Fields = 5;

    /// <summary>That of a device; null: the kernel does not swap to it.</summary>
    public static SwapArea? Of(HostMachine machine, string device) => (machine.Read("/proc/swaps") ?? "").Split('\n').Skip(1)
        .Select(line => line.Split((char[])[' ', '\t'], StringSplitOptions.RemoveEmptyEntries))
        .Where(fields => fields.Length == Fields && fields[0] == device)
        .Select(fields => new SwapArea(device, Number(fields[2]) << 10, Number(fields[3]) << 10, (int)Number(fields[4])))
        .FirstOrDefault();

    private static long Number(string text) => long.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var number) ? number : 0;
}
