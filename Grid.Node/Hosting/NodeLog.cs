using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Console;

namespace Grid.Node.Hosting;

/// <summary>The node's log: one line a message on standard output.</summary>
internal static class NodeLog
{
    /// <summary>Makes the logger factory.</summary>
    public static ILoggerFactory Create(LogSettings settings)
    {
        return LoggerFactory.Create(logging => logging
            .SetMinimumLevel(settings.Level)
            .AddFilter("Akka", settings.AkkaLevel)
            .AddFilter("Microsoft", LogLevel.Warning)
            // A server that cannot start is told to the operator in one line of ours.
            .AddFilter("Microsoft.Extensions.Hosting", LogLevel.None)
            .AddSimpleConsole(console =>
            {
                console.SingleLine = true;
                console.UseUtcTimestamp = true;
                console.TimestampFormat = "yyyy-MM-ddTHH:mm:ss.fffZ ";
                console.ColorBehavior = LoggerColorBehavior.Disabled;
            }));
    }
}
