using Grid.Cli.Files;
using Grid.Cli.Transfer;
using Grid.Client;

namespace Grid.Cli;

/// <summary>What an exception means to somebody at a shell.</summary>
internal static class CliErrors
{
    /// <summary>The exit code and the line; null for what is a defect of this program and should show as one.</summary>
    /// <param name="exception">What was thrown.</param>
    public static (int Code, string Message)? Describe(Exception exception) => exception switch
    {
        CliException e => (e.ExitCode, e.Message),
        ExportFormatException e => (ExitCodes.Checksum, e.Message),
        ManifestException e => (ExitCodes.Checksum, e.Message),
        PageCorruptException e => (ExitCodes.Checksum, e.Message),
        GridUnavailableException e => (ExitCodes.CannotConnect, e.Message),
        GridArgumentException e => (ExitCodes.Usage, e.Message),
        OutcomeUnknownException e => (ExitCodes.Failed, $"{e.Message} (it may or may not have happened)"),
        GridException e => (ExitCodes.Failed, e.Outcome == CallOutcome.Unknown ? $"{e.Message} (it may or may not have happened)" : e.Message),
        IOException or UnauthorizedAccessException => (ExitCodes.Failed, exception.Message),
        OperationCanceledException => (ExitCodes.Interrupted, "interrupted"),
        AggregateException { InnerException: { } inner } => Describe(inner),
        _ => null,
    };

    /// <summary>Whether the Grid was lost on the way: what happens next would wait in vain.</summary>
    /// <param name="exception">What was thrown.</param>
    public static bool IsLost(Exception exception) =>
        exception is GridUnavailableException or GridTimeoutException or OutcomeUnknownException or CliException { ExitCode: ExitCodes.CannotConnect };

    /// <summary>Why a put was refused, in words.</summary>
    /// <param name="reason">The reason.</param>
    /// <param name="pool">The pool's name.</param>
    public static string Refusal(Protocol.RefusalReason reason, string pool) => reason switch
    {
        Protocol.RefusalReason.Capacity => "refused: the Grid's memory is full of pages that may not be dropped",
        Protocol.RefusalReason.Quota => $"refused: the quota of pool '{pool}' is used up",
        Protocol.RefusalReason.Frozen => $"refused: pool '{pool}' is frozen (grid pool thaw {pool})",
        _ => "refused",
    };
}
