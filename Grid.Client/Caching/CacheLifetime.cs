using Microsoft.Extensions.Caching.Distributed;

namespace Grid.Client;

/// <summary>
/// How long a value is served, in ticks of UTC. A sliding expiration is written down again at most once in a hundredth of it, and lasts a hundredth longer for that: a value is there for at least
/// as long as was asked since it was last used, and for at most 1 % longer.
/// </summary>
internal readonly record struct CacheLifetime(long AbsoluteTicks, long SlidingTicks, long UsedTicks)
{
    /// <summary>No absolute expiration.</summary>
    public const long Never = long.MaxValue;

    /// <summary>What would live for less than this is not stored at all, as Microsoft's own implementation for Redis does.</summary>
    private static readonly long ShortestTicks = TimeSpan.TicksPerSecond;

    private long SlackTicks => SlidingTicks / 100;

    /// <summary>The lifetime that a caller asked for.</summary>
    /// <exception cref="ArgumentOutOfRangeException">The absolute expiration has passed.</exception>
    public static CacheLifetime Of(DistributedCacheEntryOptions options, DateTimeOffset now)
    {
        // A time in the past is a mistake even where a span counts in its place.
        if (options.AbsoluteExpiration <= now)
        {
            throw new ArgumentOutOfRangeException(
                nameof(DistributedCacheEntryOptions.AbsoluteExpiration), options.AbsoluteExpiration, "The absolute expiration value must be in the future.");
        }

        var absolute = options.AbsoluteExpirationRelativeToNow is { } relative ? Add(now.UtcTicks, relative.Ticks) : options.AbsoluteExpiration?.UtcTicks ?? Never;
        return new CacheLifetime(absolute, options.SlidingExpiration?.Ticks ?? 0, now.UtcTicks);
    }

    public bool IsTooShort => Math.Min(AbsoluteTicks - UsedTicks, SlidingTicks == 0 ? Never : SlidingTicks) < ShortestTicks;

    public bool IsOver(long nowTicks) => nowTicks >= AbsoluteTicks || (SlidingTicks > 0 && nowTicks >= Add(UsedTicks, Add(SlidingTicks, SlackTicks)));

    /// <summary>Whether a use at this time must be written down.</summary>
    public bool WantsRenewal(long nowTicks) => SlidingTicks > 0 && nowTicks - UsedTicks > SlackTicks;

    public CacheLifetime UsedAt(long nowTicks) => this with { UsedTicks = Math.Max(UsedTicks, nowTicks) };

    private static long Add(long ticks, long more) => more > Never - ticks ? Never : ticks + more;
}
