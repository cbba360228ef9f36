using Grid.Protocol;

namespace Grid.Client;

/// <summary>What became of a put.</summary>
public enum PutOutcome
{
    /// <summary>The page is stored (in a persistent pool: durably).</summary>
    Stored,

    /// <summary>The page is not stored and its handle is empty now.</summary>
    Refused,
}

/// <summary>The answer to a put.</summary>
/// <param name="Outcome">What became of it.</param>
/// <param name="Reason">Why it was refused; <see cref="RefusalReason.None"/> when it was stored.</param>
/// <param name="Version">The object's version after it.</param>
public readonly record struct PutResult(PutOutcome Outcome, RefusalReason Reason, ObjectVersion Version)
{
    /// <summary>Whether the page is stored.</summary>
    public bool Stored => Outcome == PutOutcome.Stored;
}

/// <summary>The answer to a get.</summary>
/// <param name="Hit">Whether there was a page; it is in the caller's buffer then. On a miss the buffer is untouched.</param>
/// <param name="Version">The object's version after it.</param>
public readonly record struct GetResult(bool Hit, ObjectVersion Version);

/// <summary>The answer to a flush.</summary>
/// <param name="WasThere">Whether there was anything to remove.</param>
/// <param name="Version">The object's version after it.</param>
public readonly record struct FlushResult(bool WasThere, ObjectVersion Version);
