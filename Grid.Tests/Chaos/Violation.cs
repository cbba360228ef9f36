namespace Grid.Tests.Chaos;

/// <summary>What a history shows that the contract forbids.</summary>
/// <param name="Rule">Which promise or bound.</param>
/// <param name="Text">What happened, for people.</param>
/// <param name="Calls">The calls that show it, in the order of their beginnings.</param>
internal sealed record Violation(string Rule, string Text, IReadOnlyList<RecordedCall> Calls)
{
    public override string ToString() => $"{Rule}: {Text}{string.Concat(Calls.Select(call => $"\n    {call.Pool}/{call.Object} {call}"))}";
}
