using System.Globalization;
using System.Text.Json.Serialization;
using Grid.Client;
using Grid.Protocol;

namespace Grid.Cli.Swap;

/// <summary>An export as swap: what this machine has of it, and what the nodes count.</summary>
internal sealed record SwapStatus(
    string Export,
    string Pool,
    long SizeBytes,
    PageCompression Compression,
    SwapAttachment? Here,
    [property: JsonPropertyName("mm_stat")] IReadOnlyDictionary<string, long?> MmStat,
    IReadOnlyDictionary<string, long> Frontswap)
{
    /// <summary>Of an export.</summary>
    public static SwapStatus Of(NbdExport export, PoolStat stat, HostMachine machine) => new(
        export.Name, export.Pool, export.SizeBytes, stat.Pool.Options.Compression, SwapRecord.Of(machine, export.Name) is { } record ? SwapAttachment.Of(record, machine) : null,
        SwapFigures.MmStat(stat), SwapFigures.Frontswap(stat));
}

/// <summary>What this machine has of an export.</summary>
internal sealed record SwapAttachment(string Device, string Server, bool Attached, int Connections, int? ConnectionsAlive, long? UsedBytes, int? Priority)
{
    /// <summary>Of what was recorded when it was attached.</summary>
    public static SwapAttachment Of(SwapRecord record, HostMachine machine)
    {
        var area = SwapArea.Of(machine, record.Device);
        return new SwapAttachment(
            record.Device, record.Server, new NbdDevices(machine).IsAttached(record.Device), record.Connections, TcpConnections.To(machine, record.Server), area?.UsedBytes, area?.Priority);
    }

    /// <summary>What needs attention; null: nothing.</summary>
    [JsonIgnore]
    public string? Warning => this switch
    {
        { Attached: false } or { ConnectionsAlive: 0 } => $"{Device} has lost its server: what lies there cannot be read, and programs that need it are killed",
        { UsedBytes: null } => $"{Device} is attached, but no swap: grid swap off tidies up",
        { ConnectionsAlive: { } alive } when alive < Connections => string.Create(CultureInfo.InvariantCulture,
            $"{alive} of {Connections} connections of {Device} are left, and the kernel opens none again: with the last one what lies there is lost. grid swap off, then on, opens all"),
        _ => null,
    };
}
