namespace Grid.Node.Hosting;

/// <summary>What the process tells whoever runs it.</summary>
public static class ExitCodes
{
    /// <summary>Stopped as asked.</summary>
    public const int Ok = 0;

    /// <summary>A fault that nobody foresaw; the log has it.</summary>
    public const int Failure = 1;

    /// <summary>A setting or an argument is wrong: starting again changes nothing.</summary>
    public const int BadSettings = 2;

    /// <summary>The surroundings do not allow it (port in use, directory not writable): may work later.</summary>
    public const int Surroundings = 3;

    /// <summary>The cluster removed this node, or it removed itself: start it again.</summary>
    public const int Downed = 4;
}

/// <summary>The node cannot start, for a reason its operator can remove. The message is one line for the operator.</summary>
/// <param name="exitCode">One of <see cref="ExitCodes"/>.</param>
/// <param name="message">What is wrong, where, and what to do.</param>
/// <param name="inner">The cause, if another exception told of it.</param>
public sealed class StartupException(int exitCode, string message, Exception? inner = null) : Exception(message, inner)
{
    /// <summary>What the process exits with.</summary>
    public int ExitCode { get; } = exitCode;

    internal static StartupException Setting(string message, Exception? inner = null) => new(ExitCodes.BadSettings, message, inner);
}
