using Grid.Node.Memory;
using Grid.Protocol;

namespace Grid.Node.Journal;

/// <summary>A page as the journal holds it.</summary>
/// <param name="Codec">How the stored bytes stand for it.</param>
/// <param name="Stored">The stored bytes; part of the event's bytes, nothing is copied.</param>
public readonly record struct StoredPage(PageCodec Codec, ReadOnlyMemory<byte> Stored);

/// <summary>
/// Reads one event of an object. Header and entries are verified when it is opened, a page when it is asked for, so nothing of a damaged event is ever
/// handed out as good.
/// </summary>
public sealed class EventReader
{
    private readonly ObjectKey _key;
    private readonly long _sequenceNr;
    private readonly ReadOnlyMemory<byte> _bytes;

    private EventReader(ObjectKey key, long sequenceNr, EventHeader header, ReadOnlyMemory<byte> bytes)
    {
        _key = key;
        _sequenceNr = sequenceNr;
        _bytes = bytes;
        Header = header;
        Entries = new EventEntries(bytes[EventHeader.OwnBytes(header.Format)..header.HeadBytes]);
    }

    /// <summary>The header.</summary>
    public EventHeader Header { get; }

    /// <summary>What the event does, in order.</summary>
    public EventEntries Entries { get; }

    /// <summary>Opens a whole event.</summary>
    /// <param name="key">The object whose journal it stands in.</param>
    /// <param name="sequenceNr">Its number there.</param>
    /// <param name="payload">Its bytes; kept, not copied.</param>
    /// <exception cref="JournalCorruptException">The bytes are no event of this object.</exception>
    public static EventReader Open(ObjectKey key, long sequenceNr, ReadOnlyMemory<byte> payload)
    {
        var reader = OpenHead(key, sequenceNr, payload);
        if (payload.Length != reader.Header.EventBytes)
            throw JournalCorruptException.InEvent(key, sequenceNr, $"it has {payload.Length} bytes, its header tells of {reader.Header.EventBytes}");
        return reader;
    }

    /// <summary>Opens an event of which only the head is at hand (<see cref="EventHeader.HeadBytes"/>): entries, no pages.</summary>
    /// <param name="key">The object whose journal it stands in.</param>
    /// <param name="sequenceNr">Its number there.</param>
    /// <param name="head">Its bytes, as many as there are; kept, not copied.</param>
    /// <exception cref="JournalCorruptException">The bytes are no head of an event of this object.</exception>
    public static EventReader OpenHead(ObjectKey key, long sequenceNr, ReadOnlyMemory<byte> head)
    {
        var header = EventHeader.Read(key, sequenceNr, head.Span);
        if (head.Length < header.HeadBytes)
            throw JournalCorruptException.InEvent(key, sequenceNr, $"it ends after {head.Length} bytes, its entries after {header.HeadBytes}");
        var table = head.Span[EventHeader.OwnBytes(header.Format)..header.HeadBytes];
        if (EventFormat.Checksum(key, table) != header.EntriesChecksum)
            throw JournalCorruptException.InEvent(key, sequenceNr, "its entries' checksum does not hold");
        var reader = new EventReader(key, sequenceNr, header, head);
        reader.DemandSoundEntries();
        return reader;
    }

    /// <summary>The page an index holds after the event; the last entry for the index decides.</summary>
    /// <param name="index">The index.</param>
    /// <exception cref="JournalCorruptException">The page's checksum does not hold, or the event leaves no page there.</exception>
    public StoredPage Page(uint index) => TryPage(index, out var page)
        ? page
        : throw JournalCorruptException.InPage(_key, index, _sequenceNr, "it has no such page");

    /// <summary>The page an index holds after the event; false where the event leaves none there.</summary>
    /// <param name="index">The index.</param>
    /// <param name="page">The page.</param>
    /// <exception cref="JournalCorruptException">The page's checksum does not hold.</exception>
    public bool TryPage(uint index, out StoredPage page)
    {
        page = default;
        if (!TryLastEntry(index, out var entry)) return false;
        page = Page(entry);
        return true;
    }

    /// <summary>The page of a put.</summary>
    /// <param name="entry">The entry, of this event.</param>
    /// <exception cref="JournalCorruptException">The page's checksum does not hold.</exception>
    public StoredPage Page(in EventEntry entry)
    {
        if (_bytes.Length < Header.EventBytes) throw new InvalidOperationException("Only the head of the event is at hand.");
        return Verified(_bytes.Slice(entry.Offset, entry.StoredBytes), entry);
    }

    /// <summary>Verifies every page.</summary>
    /// <exception cref="JournalCorruptException">A page's checksum does not hold.</exception>
    public void VerifyPages()
    {
        foreach (var entry in Entries)
            if (entry.Kind == EventEntryKind.Put) Page(entry);
    }

    /// <summary>The put that decides what an index holds after the event; false where the event leaves nothing there.</summary>
    internal bool TryLastEntry(uint index, out EventEntry entry)
    {
        for (var position = Entries.Count - 1; position >= 0; position--)
        {
            entry = Entries[position];
            if (entry.Touches(index)) return entry.Kind == EventEntryKind.Put;
        }

        entry = default;
        return false;
    }

    /// <summary>Verifies the stored bytes of an entry, wherever they come from.</summary>
    internal StoredPage Verified(ReadOnlyMemory<byte> stored, in EventEntry entry)
    {
        if (stored.Length != entry.StoredBytes
            || EventFormat.PageChecksum(_key, entry.Index, Header.PageSizeBytes, entry.Codec, stored.Span) != entry.Checksum)
            throw JournalCorruptException.InPage(_key, entry.Index, _sequenceNr, "the page's checksum does not hold");
        return new StoredPage(entry.Codec, stored);
    }

    private void DemandSoundEntries()
    {
        var end = Header.HeadBytes;
        var range = Entries[0];
        var isPiece = range.Kind == EventEntryKind.Range && Header.Format != EventFormat.Version1;
        for (var position = isPiece ? 1 : 0; position < Entries.Count; position++)
        {
            var entry = Entries[position];
            var isSound = isPiece ? IsSoundHeld(entry, range) : entry.Kind switch
            {
                EventEntryKind.Put => entry.Offset == end && StoredLengths.Allow(entry.Codec, entry.StoredBytes, Header.PageSizeBytes),
                EventEntryKind.Flush or EventEntryKind.FlushObject or EventEntryKind.Fence => entry.StoredBytes == 0,
                _ => false,
            };
            if (!isSound) throw JournalCorruptException.InEvent(_key, _sequenceNr, $"it has an entry that makes no sense: {entry}");
            if (entry.Kind == EventEntryKind.Put) end += entry.StoredBytes;
        }

        if (isPiece && (range.FirstPlace > range.LastPlace || range.FirstPiece < 0 || range.FirstPiece >= _sequenceNr))
            throw JournalCorruptException.InEvent(_key, _sequenceNr, $"it tells of a range that makes no sense: {range}");
        if (end != Header.EventBytes)
            throw JournalCorruptException.InEvent(_key, _sequenceNr, $"its entries end at {end}, its header tells of {Header.EventBytes} bytes");
    }

    private bool IsSoundHeld(in EventEntry entry, in EventEntry range)
    {
        var place = PagePlace.Of(entry.Index);
        return entry.Kind == EventEntryKind.Held
            && place >= range.FirstPlace && place <= range.LastPlace
            && entry.StoredBytes > 0 && entry.StoredBytes <= Header.PageSizeBytes
            && entry.HeldBy > 0 && entry.HeldBy < _sequenceNr;
    }
}
