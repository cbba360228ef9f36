namespace Grid.Bench.Commands;

/// <summary>What <c>bench nbd</c> was asked for.</summary>
internal sealed record NbdOptions : RoundOptions
{
    /// <summary>Bytes of every device.</summary>
    public const long DeviceBytes = 256 << 20;

    /// <summary>Where every server keeps its files: the disk that is measured.</summary>
    public required DirectoryInfo Parent { get; init; }

    /// <summary>Settings of the Grid's node, beside those that the benchmark sets.</summary>
    public IReadOnlyList<string> Settings { get; init; } = [];
}
