namespace Grid.Node.Journal;

/// <summary>An event as it stands in the journal.</summary>
/// <param name="SequenceNr">Its number.</param>
/// <param name="Payload">Its bytes, or the head of them where heads were asked for. Not verified yet: <see cref="EventReader"/> does that.</param>
public readonly record struct JournalRow(long SequenceNr, ReadOnlyMemory<byte> Payload);

/// <summary>A piece of an object's journal: events in order, without gaps.</summary>
/// <param name="Rows">The events.</param>
/// <param name="IsLast">Whether nothing follows up to the number that was asked for. If not, go on after the last row.</param>
public sealed record JournalPage(IReadOnlyList<JournalRow> Rows, bool IsLast);

/// <summary>An event that is no object's.</summary>
/// <param name="SequenceNr">Its number.</param>
/// <param name="Manifest">The manifest it was written with.</param>
/// <param name="Payload">Its bytes.</param>
public readonly record struct ForeignRow(long SequenceNr, string Manifest, byte[] Payload);

/// <summary>Both ends of an object's journal.</summary>
/// <param name="Deleted">Events up to and with this one are deleted.</param>
/// <param name="HasLeftovers">Whether some of those still take space: their deletion was cut short.</param>
/// <param name="First">The header of the first event behind them.</param>
/// <param name="NewestSequenceNr">The newest event.</param>
/// <param name="Newest">Its header.</param>
public sealed record JournalEnds(long Deleted, bool HasLeftovers, EventHeader First, long NewestSequenceNr, EventHeader Newest);
