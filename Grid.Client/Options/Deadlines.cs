namespace Grid.Client;

/// <summary>Deadlines as milliseconds of the machine's coarse monotonic clock, which costs a few nanoseconds to read.</summary>
internal static class Deadlines
{
    /// <summary>No deadline.</summary>
    public const long Never = long.MaxValue;

    /// <summary>The longest finite timeout: a day.</summary>
    public const long LongestTimeoutMs = 24L * 60 * 60 * 1000;

    /// <summary>Now.</summary>
    public static long NowMs => Environment.TickCount64;

    /// <summary>When a call that starts now must have ended.</summary>
    public static long After(TimeSpan timeout) => timeout == Timeout.InfiniteTimeSpan ? Never : NowMs + (long)timeout.TotalMilliseconds;

    /// <summary>Refuses a timeout that is not positive, longer than a day, or <see cref="Timeout.InfiniteTimeSpan"/>.</summary>
    public static void RequireTimeout(TimeSpan timeout, string name)
    {
        if (timeout != Timeout.InfiniteTimeSpan && (timeout <= TimeSpan.Zero || timeout.TotalMilliseconds > LongestTimeoutMs))
            throw new ArgumentOutOfRangeException(name, timeout, $"{name} must be above zero and at most a day, or infinite.");
    }
}
