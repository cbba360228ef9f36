namespace Grid.Bench.Commands;

/// <summary>What <c>bench cluster</c> was asked for.</summary>
internal sealed record ClusterOptions
{
    /// <summary>Grid.Node.dll; null is the one built beside this program.</summary>
    public string? NodePath { get; init; }

    /// <summary>Where the results go as JSON; null: nowhere.</summary>
    public string? JsonPath { get; init; }

    /// <summary>How long each load runs.</summary>
    public required int Seconds { get; init; }

    /// <summary>How often a node is killed.</summary>
    public required int Kills { get; init; }

    /// <summary>How often a node is restarted.</summary>
    public required int Restarts { get; init; }

    /// <summary>Nodes to scale over.</summary>
    public required IReadOnlyList<int> Sizes { get; init; }
}
