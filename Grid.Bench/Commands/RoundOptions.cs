namespace Grid.Bench.Commands;

/// <summary>What every comparison in rounds was asked for.</summary>
internal abstract record RoundOptions
{
    /// <summary>The node's program; null is the one built beside.</summary>
    public string? NodePath { get; init; }

    /// <summary>Where the results go too.</summary>
    public string? JsonPath { get; init; }

    /// <summary>Short rounds.</summary>
    public bool Quick { get; init; }

    /// <summary>Rounds; null is the default.</summary>
    public int? Rounds { get; init; }

    /// <summary>Rounds of each case.</summary>
    public int RoundCount => Math.Max(1, Rounds ?? (Quick ? 3 : 5));

    /// <summary>Time of a round before it counts.</summary>
    public TimeSpan WarmUp => TimeSpan.FromSeconds(Quick ? 0.2 : 1);

    /// <summary>Time of a round that counts.</summary>
    public TimeSpan Time => TimeSpan.FromSeconds(Quick ? 0.45 : 3);

    /// <summary>Time of each case on each target before the first round: compilers and caches settle.</summary>
    public virtual TimeSpan FirstWarmUp => TimeSpan.FromSeconds(Quick ? 0.3 : 2);
}
