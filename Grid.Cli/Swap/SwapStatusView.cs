using System.Globalization;

namespace Grid.Cli.Swap;

/// <summary>Swap as text.</summary>
internal static class SwapStatusView
{
    /// <summary>Prints what needs attention, then each export.</summary>
    public static void Write(Output output, IReadOnlyList<SwapStatus> statuses)
    {
        foreach (var status in statuses)
            if (status.Here?.Warning is { } warning) output.WriteWarning(warning);
        foreach (var status in statuses)
        {
            if (!ReferenceEquals(status, statuses[0])) output.Standard.WriteLine();
            output.WritePairs(
            [
                ("export", $"{status.Export}, {SizeText.Format(status.SizeBytes)}, pool '{status.Pool}', compression {status.Compression.ToString().ToLowerInvariant()}"),
                ("here", status.Here is { } here ? Here(here) : "this machine does not swap to it"),
                .. status.MmStat.Select(field => ($"{field.Key}", field.Value is { } value ? Figure(field.Key, value) : "not counted")),
                .. status.Frontswap.Select(field => ($"{field.Key}", Number(field.Value))),
            ]);
        }
    }

    private static string Here(SwapAttachment here) => string.Create(CultureInfo.InvariantCulture,
        $"{here.Device}, {(here.UsedBytes is { } used ? $"{SizeText.Format(used)} used, priority {here.Priority}" : "no swap")}, {(here.Attached ? $"{(here.ConnectionsAlive is { } alive ? $"{alive} of {here.Connections}" : $"{here.Connections}")} connections to {here.Server}" : $"detached from {here.Server}")}");

    private static string Figure(string name, long value) => name switch
    {
        "same_pages" => Number(value),
        "mem_limit" when value == 0 => "0 (no quota)",
        _ => $"{Number(value)} ({SizeText.Format(value)})",
    };

    private static string Number(long value) => value.ToString("#,0", CultureInfo.InvariantCulture);
}
