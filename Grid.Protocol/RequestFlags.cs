namespace Grid.Protocol;

/// <summary>The flags byte of a request about an object.</summary>
[Flags]
public enum RequestFlags : byte
{
    /// <summary>Nothing special: a get keeps or takes as its pool's kind says.</summary>
    None = 0,

    /// <summary>A get that hits keeps the page.</summary>
    Keep = 1,

    /// <summary>A get that hits removes the page.</summary>
    Take = 2,

    /// <summary>An <see cref="ObjectVersion"/> follows the head: apply only if none of the batch's handles changed since.</summary>
    Conditional = 4,

    /// <summary>A session (16 bytes) and its epoch (8 bytes) follow: sent by a node on behalf of a client.</summary>
    Forwarded = 8,

    /// <summary>Every flag there is.</summary>
    All = Keep | Take | Conditional | Forwarded,
}
