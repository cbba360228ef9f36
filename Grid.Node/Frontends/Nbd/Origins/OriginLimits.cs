namespace Grid.Node.Frontends.Nbd.Origins;

/// <summary>How long a device with an origin waits for what.</summary>
internal sealed record OriginLimits
{
    /// <summary>How long the grid has for an answer before the origin is read. Long, for a page that is read from the origin because a node was busy is read twice.</summary>
    public TimeSpan CacheTimeout { get; init; } = TimeSpan.FromSeconds(3);

    /// <summary>The same for an object of which nothing has been heard since the grid failed for it.</summary>
    public TimeSpan SuspectTimeout { get; init; } = TimeSpan.FromMilliseconds(500);

    /// <summary>How long reads of an object leave the grid alone after it has failed.</summary>
    public TimeSpan PauseAfterFailure { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>After what time who reads the origin says that it still does.</summary>
    public TimeSpan RenewAfter { get; init; } = TimeSpan.FromMilliseconds(500);

    /// <summary>How long others wait for one that does not say so.</summary>
    public TimeSpan ClaimTimeout { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>How long a writer's mark may be there; longer than a write takes.</summary>
    public TimeSpan MarkTimeout { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>Between looking whether the pages have come, at first.</summary>
    public TimeSpan FirstWait { get; init; } = TimeSpan.FromMilliseconds(1);

    /// <summary>The same, after some looks.</summary>
    public TimeSpan LongestWait { get; init; } = TimeSpan.FromMilliseconds(32);
}
