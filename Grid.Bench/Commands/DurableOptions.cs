using Grid.Bench.Servers;

namespace Grid.Bench.Commands;

/// <summary>What <c>bench durable</c> was asked for.</summary>
internal sealed record DurableOptions : RoundOptions
{
    /// <summary>The cases.</summary>
    public required IReadOnlyList<DurableCase> Cases { get; init; }

    /// <summary>The databases under the Grid.</summary>
    public required IReadOnlyList<DurableStore> Stores { get; init; }

    /// <summary>Where every server keeps its files, a folder each: the disk that is measured.</summary>
    public required DirectoryInfo Parent { get; init; }

    /// <summary>Settings of the Grid's nodes, beside those that the benchmark sets.</summary>
    public IReadOnlyList<string> Settings { get; init; } = [];

    /// <inheritdoc/>
    public override TimeSpan FirstWarmUp => TimeSpan.FromSeconds(Quick ? 1 : 3);
}
