using System.Text.Json;

namespace Grid.Bench.Commands;

/// <summary>What a client process saw.</summary>
/// <param name="Operations">Calls that were answered.</param>
/// <param name="Unknown">Calls whose outcome is unknown.</param>
/// <param name="Failed">Calls that failed, and pages of the persistent pool that were missing or wrong.</param>
/// <param name="LongestMs">The longest call.</param>
/// <param name="Hits">Gets of the ephemeral pool that found the page last put.</param>
/// <param name="Misses">Gets of it that found nothing.</param>
/// <param name="FirstFailure">Of the failed ones.</param>
/// <param name="LongestWas">What the longest call was, and when it ended.</param>
internal sealed record LoadResult(long Operations, long Unknown, long Failed, double LongestMs, long Hits, long Misses, string? FirstFailure, string? LongestWas = null)
{
    /// <summary>Before the first call.</summary>
    public static LoadResult Nothing { get; } = new(0, 0, 0, 0, 0, 0, null);

    /// <summary>One line.</summary>
    public string ToJson() => JsonSerializer.Serialize(this);

    /// <summary>Reads what <see cref="ToJson"/> wrote.</summary>
    public static LoadResult Parse(string line) => JsonSerializer.Deserialize<LoadResult>(line) ?? throw new BenchException($"a client's result is unreadable: {line}");

    /// <summary>Of all clients together.</summary>
    public static LoadResult Sum(IReadOnlyList<LoadResult> all) => new(
        all.Sum(one => one.Operations),
        all.Sum(one => one.Unknown),
        all.Sum(one => one.Failed),
        all.Max(one => one.LongestMs),
        all.Sum(one => one.Hits),
        all.Sum(one => one.Misses),
        all.Select(one => one.FirstFailure).FirstOrDefault(failure => failure != null),
        all.MaxBy(one => one.LongestMs)?.LongestWas);
}
