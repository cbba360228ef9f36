namespace Grid.Protocol;

/// <summary>The outcome of a request, as an answer's header carries it. From 16 on: errors, whose body is a text.</summary>
public enum Status : ushort
{
    /// <summary>Put: stored. Get: hit. Flush: something was there. Others: done.</summary>
    Ok = 0,

    /// <summary>Get: no page. Flush: nothing was there.</summary>
    Miss = 1,

    /// <summary>Put: not stored, and its handles are empty now; the header's detail is the <see cref="RefusalReason"/>.</summary>
    Refused = 2,

    /// <summary>Batch: its condition did not hold; nothing was changed.</summary>
    ConditionFailed = 3,

    /// <summary>Destroy: accepted, but some node has not confirmed it yet.</summary>
    InProgress = 4,

    /// <summary>The frame's content makes no sense; the connection is closed after this answer.</summary>
    Malformed = 16,

    /// <summary>No protocol version in common; the connection is closed after this answer.</summary>
    UnsupportedVersion = 17,

    /// <summary>An argument is out of range; the text names it.</summary>
    BadArgument = 18,

    /// <summary>No pool of that id or name.</summary>
    NoSuchPool = 19,

    /// <summary>A pool of that name exists, with other attributes or private.</summary>
    PoolExists = 20,

    /// <summary>The credential or the tenant does not allow it.</summary>
    NotAllowed = 21,

    /// <summary>An opcode that this version does not have.</summary>
    UnknownOperation = 22,

    /// <summary>Another node owns the object; the text is its data address <c>host:port</c>. Not applied.</summary>
    Moved = 32,

    /// <summary>Not serving right now (starting, hand-off, lease, stopping). Not applied: try again.</summary>
    NotServing = 33,

    /// <summary>It failed and was not applied; the text says why.</summary>
    FailedNotApplied = 34,

    /// <summary>It failed and may or may not have been applied; the text says why.</summary>
    FailedUnknown = 35,

    /// <summary>The stored bytes fail their checksum; the text names the handle. Nothing was changed.</summary>
    Corrupt = 36,
}

/// <summary>What an answer's status means for the caller.</summary>
public static class StatusExtensions
{
    /// <summary>Whether this is an error (its body is a text).</summary>
    /// <param name="status">The status.</param>
    public static bool IsError(this Status status) => (ushort)status >= 16;

    /// <summary>Whether the request is known to have changed nothing and the same request may succeed when sent again.</summary>
    /// <param name="status">The status.</param>
    public static bool IsRetryable(this Status status) => status is Status.Moved or Status.NotServing;
}
