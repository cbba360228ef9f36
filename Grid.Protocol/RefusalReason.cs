namespace Grid.Protocol;

/// <summary>Why a put was refused.</summary>
public enum RefusalReason : byte
{
    /// <summary>No reason: not refused.</summary>
    None = 0,

    /// <summary>The node's memory is full of pages that may not be dropped.</summary>
    Capacity = 1,

    /// <summary>The pool's quota is used up.</summary>
    Quota = 2,

    /// <summary>The pool is frozen.</summary>
    Frozen = 3,
}
