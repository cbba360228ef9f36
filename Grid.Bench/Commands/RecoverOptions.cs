namespace Grid.Bench.Commands;

/// <summary>What <c>bench recover</c> was asked for.</summary>
internal sealed record RecoverOptions
{
    /// <summary>Grid.Node.dll; null is the one built beside this program.</summary>
    public string? NodePath { get; init; }

    /// <summary>Where the results go as JSON; null: nowhere.</summary>
    public string? JsonPath { get; init; }

    /// <summary>Pages of the object, a run each.</summary>
    public required IReadOnlyList<int> Pages { get; init; }

    /// <summary>Where the node keeps its files.</summary>
    public required DirectoryInfo Parent { get; init; }

    /// <summary>Settings of the node, beside those that the benchmark sets.</summary>
    public IReadOnlyList<string> Settings { get; init; } = [];
}
