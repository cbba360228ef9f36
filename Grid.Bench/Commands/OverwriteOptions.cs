namespace Grid.Bench.Commands;

/// <summary>What <c>bench overwrite</c> was asked for.</summary>
internal sealed record OverwriteOptions
{
    /// <summary>Grid.Node.dll; null is the one built beside this program.</summary>
    public string? NodePath { get; init; }

    /// <summary>Where the results go as JSON; null: nowhere.</summary>
    public string? JsonPath { get; init; }

    /// <summary>Pages that are alive.</summary>
    public required int LivePages { get; init; }

    /// <summary>How often as much as that is written.</summary>
    public required int Times { get; init; }

    /// <summary>Where the node keeps its files.</summary>
    public required DirectoryInfo Parent { get; init; }

    /// <summary>Settings of the node, beside those that the benchmark sets.</summary>
    public IReadOnlyList<string> Settings { get; init; } = [];
}
