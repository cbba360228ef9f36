using Grid.Protocol;

namespace Grid.Client;

/// <summary>What became of a batch.</summary>
public enum BatchOutcome
{
    /// <summary>All of it took effect, at one instant.</summary>
    Applied,

    /// <summary>Write batch: none of its pages is stored, and all its handles are empty now.</summary>
    Refused,

    /// <summary>One of its handles changed since the demanded version, or that cannot be told: nothing was changed and nothing read.</summary>
    ConditionFailed,
}

/// <summary>The answer to a write batch.</summary>
/// <param name="Outcome">What became of it.</param>
/// <param name="Reason">Why it was refused; <see cref="RefusalReason.None"/> when it was not.</param>
/// <param name="Version">The object's version after it.</param>
/// <param name="Existed">Per entry, in the batch's order, whether a page was there before. All false unless the batch was applied.</param>
public readonly record struct WriteBatchResult(BatchOutcome Outcome, RefusalReason Reason, ObjectVersion Version, BatchBits Existed);

/// <summary>The answer to a get batch.</summary>
/// <param name="Outcome"><see cref="BatchOutcome.Applied"/> or <see cref="BatchOutcome.ConditionFailed"/>.</param>
/// <param name="Version">The object's version after it.</param>
/// <param name="Hits">Per index, in the batch's order, whether there was a page.</param>
public readonly record struct GetBatchResult(BatchOutcome Outcome, ObjectVersion Version, BatchBits Hits);
