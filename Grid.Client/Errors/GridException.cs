namespace Grid.Client;

/// <summary>What a failed call says about its effect.</summary>
public enum CallOutcome
{
    /// <summary>The call changed nothing.</summary>
    NotApplied,

    /// <summary>The call may or may not have taken effect, or may still do so.</summary>
    Unknown,
}

/// <summary>A call failed. A refused put is no failure and never throws.</summary>
public class GridException : Exception
{
    /// <summary>Makes the exception.</summary>
    /// <param name="message">What happened and what to do.</param>
    /// <param name="outcome">What it says about the call's effect.</param>
    /// <param name="innerException">What caused it.</param>
    public GridException(string message, CallOutcome outcome, Exception? innerException = null)
        : base(message, innerException) => Outcome = outcome;

    /// <summary>Whether the call is known to have changed nothing.</summary>
    public CallOutcome Outcome { get; }
}

/// <summary>A put, flush or take was sent, and it is not known whether it took effect: its connection broke, its deadline passed, or its owner could not tell.</summary>
/// <remarks>Sending it again could make it take effect twice, so the client does not (see <see cref="CallOptions.AtLeastOnce"/>).</remarks>
public sealed class OutcomeUnknownException : GridException
{
    /// <summary>Makes the exception.</summary>
    /// <param name="message">What happened.</param>
    /// <param name="innerException">What caused it.</param>
    public OutcomeUnknownException(string message, Exception? innerException = null)
        : base(message, CallOutcome.Unknown, innerException)
    {
    }
}

/// <summary>No node could be reached, or none served, until the call's deadline. Not applied.</summary>
public sealed class GridUnavailableException : GridException
{
    /// <summary>Makes the exception.</summary>
    /// <param name="message">What happened.</param>
    /// <param name="innerException">The last failure to connect.</param>
    public GridUnavailableException(string message, Exception? innerException = null)
        : base(message, CallOutcome.NotApplied, innerException)
    {
    }
}

/// <summary>The call's deadline passed. A put, flush or take that was sent fails with <see cref="OutcomeUnknownException"/> instead.</summary>
public sealed class GridTimeoutException : GridException
{
    /// <summary>Makes the exception.</summary>
    /// <param name="message">What the call was waiting for.</param>
    /// <param name="outcome">What it says about the call's effect.</param>
    /// <param name="innerException">What caused it.</param>
    public GridTimeoutException(string message, CallOutcome outcome, Exception? innerException = null)
        : base(message, outcome, innerException)
    {
    }
}
