namespace Grid.Client;

/// <summary>
/// Counts the turns of "read, and change if nobody did since". Somebody's turn always succeeds, so that many in a row mean many callers at one slot: they wait a little, at random, and give up after
/// <see cref="Most"/>. Once a change's outcome was unknown, no later failure says that nothing was changed.
/// </summary>
internal struct Turns(string doing)
{
    private const int Most = 64;
    private const int AtOnce = 3;
    private const int UnknownMost = 3;
    private int _turns;
    private int _unknown;

    /// <summary>Waits for the next turn.</summary>
    /// <exception cref="GridTimeoutException">There were too many.</exception>
    public ValueTask NextAsync(CancellationToken cancellationToken)
    {
        if (++_turns == Most)
            throw new GridTimeoutException($"Gave up {doing} a cached value: others changed its slot between being read and being changed, {Most} times.", CallOutcome.NotApplied);
        return _turns <= AtOnce ? default : new ValueTask(Task.Delay(Random.Shared.Next(1, Math.Min(_turns, 20)), cancellationToken));
    }

    /// <summary>Notes an unknown outcome, to be settled by reading in the next turn; throws it when there were too many.</summary>
    public void Unknown(OutcomeUnknownException failure)
    {
        if (++_unknown == UnknownMost) throw new OutcomeUnknownException($"{failure.Message} (tried {UnknownMost} times)", failure);
    }

    /// <summary>Whether a failure would say that nothing was changed where that is not known. (A pool that is gone holds nothing.)</summary>
    public readonly bool IsInDoubt(GridException failure) => _unknown > 0 && failure is { Outcome: CallOutcome.NotApplied } and not NoSuchPoolException;

    /// <summary>What to throw in place of such a failure.</summary>
    public readonly OutcomeUnknownException InDoubt(GridException failure) =>
        new($"Whether {doing} a cached value took effect could not be found out: {failure.Message}", failure);
}
