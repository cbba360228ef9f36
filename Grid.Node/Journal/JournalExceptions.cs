using Grid.Protocol;

namespace Grid.Node.Journal;

/// <summary>What stands in the journal is not what was written: a checksum fails, an event is missing. Nothing of it is served.</summary>
/// <param name="message">What is wrong, with the object or page and the event's sequence number.</param>
/// <param name="inner">What was caught; null where nothing was.</param>
public sealed class JournalCorruptException(string message, Exception? inner = null) : Exception(message, inner)
{
    /// <summary>What is wrong, without saying where.</summary>
    public string Reason { get; private init; } = message;

    internal static JournalCorruptException InEvent(ObjectKey key, long sequenceNr, string what) =>
        new($"object {key}: journal event {sequenceNr} is damaged: {what}") { Reason = what };

    internal static JournalCorruptException InPage(ObjectKey key, uint index, long sequenceNr, string what) =>
        new($"page {new Handle(key.Pool, key.Object, index)}: journal event {sequenceNr} is damaged: {what}") { Reason = what };

    internal static JournalCorruptException InJournal(string persistenceId, string what, Exception? inner = null) =>
        new(JournalIds.TryParseObject(persistenceId, out var key) ? $"object {key}: {what}" : $"journal '{persistenceId}': {what}", inner);
}

/// <summary>The journal's database can't be used now: unreachable, locked, full, not writable, or too much is asked of it at once.</summary>
/// <param name="message">What was tried and what the database said.</param>
/// <param name="inner">What was caught; null where nothing was.</param>
public sealed class JournalUnavailableException(string message, Exception? inner = null) : Exception(message, inner);

/// <summary>The journal's database or configuration is not as it must be for anything to be kept in it. The message names what is wrong.</summary>
/// <param name="message">What is wrong and what to do.</param>
/// <param name="inner">What was caught; null where nothing was.</param>
public sealed class JournalSetupException(string message, Exception? inner = null) : Exception(message, inner);

/// <summary>A write to the journal was given up before anything of it left this process.</summary>
/// <param name="message">Why.</param>
/// <param name="inner">What was caught; null where nothing was.</param>
public sealed class WriteNotSentException(string message, Exception? inner = null) : Exception(message, inner)
{
    /// <summary>There was no connection to write through.</summary>
    internal static WriteNotSentException NoConnection(Exception cause) => new($"the journal's database can't be reached: {cause.Message}", cause);
}
