namespace Grid.Bench.Commands;

/// <summary>What <c>bench compare</c> was asked for.</summary>
internal sealed record CompareOptions : RoundOptions
{
    /// <summary>The cases.</summary>
    public required IReadOnlyList<BenchCase> Cases { get; init; }

    /// <summary>The peers' names.</summary>
    public required IReadOnlyList<string> Peers { get; init; }

    /// <summary>Whether the Grid's pages all go into one object.</summary>
    public bool OneObject { get; init; }
}
