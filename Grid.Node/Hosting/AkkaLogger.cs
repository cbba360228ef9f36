using Akka.Actor;
using Akka.Actor.Setup;
using Akka.Event;
using Microsoft.Extensions.Logging;
using AkkaLogLevel = Akka.Event.LogLevel;
using LogLevel = Microsoft.Extensions.Logging.LogLevel;

namespace Grid.Node.Hosting;

/// <summary>Hands the node's logger factory to <see cref="AkkaLogger"/>.</summary>
/// <param name="factory">The factory.</param>
internal sealed class LoggerFactorySetup(ILoggerFactory factory) : Setup
{
    /// <summary>The factory.</summary>
    public ILoggerFactory Factory { get; } = factory;
}

/// <summary>Akka's log events in the node's log; the category is the logging class or actor.</summary>
internal sealed class AkkaLogger : ReceiveActor
{
    private readonly ILoggerFactory _loggers;

    /// <summary>Created by Akka, from its configuration.</summary>
    public AkkaLogger()
    {
        var setup = ((ExtendedActorSystem)Context.System).Settings.Setup.Get<LoggerFactorySetup>();
        _loggers = setup.HasValue ? setup.Value.Factory : throw new InvalidOperationException("the actor system was started without a logger factory");
        Receive<InitializeLogger>(_ => Sender.Tell(new LoggerInitialized()));
        Receive<LogEvent>(Log);
    }

    private void Log(LogEvent entry)
    {
        var logger = _loggers.CreateLogger($"Akka.{entry.LogClass?.Name ?? entry.LogSource}");
        logger.Log(Level(entry.LogLevel()), entry.Cause, "{Message}", entry.Message);
    }

    private static LogLevel Level(AkkaLogLevel level)
    {
        return level switch
        {
            AkkaLogLevel.DebugLevel => LogLevel.Debug,
            AkkaLogLevel.InfoLevel => LogLevel.Information,
            AkkaLogLevel.WarningLevel => LogLevel.Warning,
            _ => LogLevel.Error,
        };
    }
}
