namespace Grid.Client;

/// <summary>How one call differs from the client's defaults. Immutable: make it once, use it for many calls.</summary>
public sealed record CallOptions
{
    /// <summary>
    /// How long the call may take, waiting for a place in the window and every retry included; null (the default) is
    /// <see cref="GridClientOptions.Timeout"/>, <see cref="System.Threading.Timeout.InfiniteTimeSpan"/> is no deadline. Watched to about 20 ms.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">It is not above zero, or longer than a day.</exception>
    public TimeSpan? Timeout
    {
        get;
        init
        {
            if (value is { } timeout) Deadlines.RequireTimeout(timeout, nameof(Timeout));
            field = value;
        }
    }

    /// <summary>
    /// Whether a put, flush or take whose outcome is unknown is sent again instead of failing with <see cref="OutcomeUnknownException"/>; false by default.
    /// It gives up one instant of effect: the call may take effect twice, so that another caller's put in between can be undone
    /// (values D1, D2, D1); a take's page can be lost when its answer is; and a batch with a condition can answer that the condition failed because its
    /// own first sending changed the object. Harmless for a handle that only this caller writes.
    /// </summary>
    public bool AtLeastOnce { get; init; }
}

/// <summary>What a get that hits does to the page.</summary>
public enum GetMode
{
    /// <summary>Takes in an ephemeral private pool, keeps in every other one.</summary>
    PoolDefault,

    /// <summary>The page stays.</summary>
    Keep,

    /// <summary>The page is removed in the same instant; in a persistent pool the removal is durable before the page is returned.</summary>
    Take,
}
