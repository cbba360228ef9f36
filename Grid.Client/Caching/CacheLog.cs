using Grid.Protocol;
using Microsoft.Extensions.Logging;

namespace Grid.Client;

/// <summary>What a cache logs, in category <c>Grid.Cache</c>. Never a key or a value.</summary>
internal static partial class CacheLog
{
    public const string Category = "Grid.Cache";

    [LoggerMessage(1, LogLevel.Information, "The cache is in pool '{pool}' ({kind}, pages of {pageBytes} bytes).")]
    public static partial void Opened(this ILogger logger, string pool, PoolKind kind, int pageBytes);

    [LoggerMessage(2, LogLevel.Warning, "Pool '{pool}' refused a value: {reason}. It is not cached, and what was under its key is gone.")]
    public static partial void Refused(this ILogger logger, string pool, RefusalReason reason);

    [LoggerMessage(3, LogLevel.Debug, "{pages} pages of object {obj} in pool '{pool}' that no value has any more could not be flushed; the next sweep finds them.")]
    public static partial void PagesLeft(this ILogger logger, int pages, string pool, ObjectId obj, Exception failure);

    [LoggerMessage(4, LogLevel.Warning, "A value was read from pool '{pool}', but its sliding expiration could not be renewed.")]
    public static partial void NotRenewed(this ILogger logger, string pool, Exception failure);

    [LoggerMessage(5, LogLevel.Debug, "An expired or incomplete value in pool '{pool}' could not be flushed; the next sweep finds it.")]
    public static partial void NotDropped(this ILogger logger, string pool, Exception failure);

    [LoggerMessage(6, LogLevel.Information, "Swept pool '{pool}': {entries} expired or interrupted values and {pages} pages that nobody has were flushed, in {seconds:0.0} s.")]
    public static partial void Swept(this ILogger logger, string pool, int entries, int pages, double seconds);

    [LoggerMessage(7, LogLevel.Warning, "The cache's pool could not be swept.")]
    public static partial void NotSwept(this ILogger logger, Exception failure);
}
