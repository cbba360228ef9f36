namespace Grid.Cli;

/// <summary>Ends the command with one line on the error output.</summary>
/// <param name="exitCode">One of <see cref="ExitCodes"/>.</param>
/// <param name="message">The line.</param>
internal sealed class CliException(int exitCode, string message) : Exception(message)
{
    /// <summary>What the process ends with.</summary>
    public int ExitCode { get; } = exitCode;

    /// <summary>The operation failed, or something is not there.</summary>
    public static CliException Failed(string message) => new(ExitCodes.Failed, message);

    /// <summary>The command line makes no sense.</summary>
    public static CliException Usage(string message) => new(ExitCodes.Usage, message);

    /// <summary>The Grid refused to store something.</summary>
    public static CliException Refused(string message) => new(ExitCodes.Refused, message);

    /// <summary>Bytes are not what was stored.</summary>
    public static CliException Checksum(string message) => new(ExitCodes.Checksum, message);
}
