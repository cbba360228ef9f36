namespace Grid.Client;

/// <summary>There is no pool of that name, or it was destroyed. Not applied.</summary>
public sealed class NoSuchPoolException : GridException
{
    /// <summary>Makes the exception.</summary>
    /// <param name="message">Which pool.</param>
    public NoSuchPoolException(string message)
        : base(message, CallOutcome.NotApplied)
    {
    }
}

/// <summary>A pool of that name exists already: private, or shared with other attributes. Not applied.</summary>
public sealed class PoolExistsException : GridException
{
    /// <summary>Makes the exception.</summary>
    /// <param name="message">Which pool.</param>
    public PoolExistsException(string message)
        : base(message, CallOutcome.NotApplied)
    {
    }
}

/// <summary>The tenant or its credential does not allow it. Not applied.</summary>
public sealed class NotAllowedException : GridException
{
    /// <summary>Makes the exception.</summary>
    /// <param name="message">What is not allowed.</param>
    public NotAllowedException(string message)
        : base(message, CallOutcome.NotApplied)
    {
    }
}

/// <summary>A node found an argument out of range that this library lets through; the message names it. Not applied.</summary>
public sealed class GridArgumentException : GridException
{
    /// <summary>Makes the exception.</summary>
    /// <param name="message">Which argument, and what it may be.</param>
    public GridArgumentException(string message)
        : base(message, CallOutcome.NotApplied)
    {
    }
}

/// <summary>The stored page fails its checksum; the message names the handle. Nothing was changed, and no bytes were handed out.</summary>
public sealed class PageCorruptException : GridException
{
    /// <summary>Makes the exception.</summary>
    /// <param name="message">Which handle.</param>
    public PageCorruptException(string message)
        : base(message, CallOutcome.NotApplied)
    {
    }
}

/// <summary>Client and node do not understand each other: no version in common, an operation the node does not have, or an answer that makes no sense.</summary>
public sealed class GridProtocolException : GridException
{
    /// <summary>Makes the exception.</summary>
    /// <param name="message">What was not understood.</param>
    /// <param name="outcome">What it says about the call's effect.</param>
    /// <param name="innerException">What caused it.</param>
    public GridProtocolException(string message, CallOutcome outcome, Exception? innerException = null)
        : base(message, outcome, innerException)
    {
    }
}
