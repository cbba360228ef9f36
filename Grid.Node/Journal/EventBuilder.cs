using System.Buffers;
using System.Numerics;
using System.Runtime.InteropServices;
using Grid.Node.Memory;
using Grid.Protocol;

namespace Grid.Node.Journal;

/// <summary>
/// Gathers what one journal event does, in order. Reusable; not for two threads. What it holds while it is empty is small: page bytes lie in a pooled
/// buffer that <see cref="Clear"/> gives back.
/// </summary>
/// <param name="pageSizeBytes">The pool's page size.</param>
public sealed class EventBuilder(int pageSizeBytes)
{
    private const int FirstBufferBytes = 64 << 10;

    private readonly int _pageSizeBytes = BitOperations.IsPow2(pageSizeBytes) && pageSizeBytes is >= 4096 and <= 65536
        ? pageSizeBytes
        : throw new ArgumentOutOfRangeException(nameof(pageSizeBytes), pageSizeBytes, "A page size is a power of two from 4096 to 65536.");

    private readonly List<EventEntry> _entries = [];
    private byte[] _pages = [];
    private int _pageBytes;

    /// <summary>Whether the event does nothing yet.</summary>
    public bool IsEmpty => _entries.Count == 0;

    /// <summary>Entries so far.</summary>
    public int EntryCount => _entries.Count;

    /// <summary>Stored page bytes so far.</summary>
    public int PageBytes => _pageBytes;

    /// <summary>Whether so many more entries with so many page bytes in all fit the event.</summary>
    /// <param name="entries">How many more entries.</param>
    /// <param name="pageBytes">Their stored page bytes.</param>
    public bool HasRoomFor(int entries, int pageBytes) =>
        entries <= EventFormat.MaxEntries - _entries.Count && pageBytes <= EventFormat.MaxPageBytes - _pageBytes;

    /// <summary>A page is stored.</summary>
    /// <param name="index">Its index.</param>
    /// <param name="codec">How the bytes stand for it.</param>
    /// <param name="stored">The bytes, which are copied.</param>
    /// <exception cref="ArgumentException">The bytes can't stand for a page of this size with this codec.</exception>
    /// <exception cref="InvalidOperationException">The event is full (<see cref="HasRoomFor"/>).</exception>
    public void Put(uint index, PageCodec codec, ReadOnlySpan<byte> stored)
    {
        if (!StoredLengths.Allow(codec, stored.Length, _pageSizeBytes))
            throw new ArgumentException($"{stored.Length} bytes of {codec} can't be a page of {_pageSizeBytes} bytes.", nameof(stored));
        DemandRoom(stored.Length);
        Reserve(stored.Length);
        stored.CopyTo(_pages.AsSpan(_pageBytes));
        // The offset inside the event and the checksum follow when the event is made.
        _entries.Add(new EventEntry(EventEntryKind.Put, codec, index, _pageBytes, stored.Length, 0));
        _pageBytes += stored.Length;
    }

    /// <summary>An index is emptied.</summary>
    /// <param name="index">The index.</param>
    public void Flush(uint index) => Add(new EventEntry(EventEntryKind.Flush, 0, index, 0, 0, 0));

    /// <summary>Every index of the object is emptied. What stands in the event before it is dropped: it changes nothing any more.</summary>
    public void FlushObject()
    {
        Clear();
        Add(new EventEntry(EventEntryKind.FlushObject, 0, 0, 0, 0, 0));
    }

    /// <summary>The event proves that its writer may write, whatever else it does.</summary>
    public void Fence() => Add(new EventEntry(EventEntryKind.Fence, 0, 0, 0, 0, 0));

    /// <summary>The event becomes a piece of a checkpoint; held entries follow, and nothing else.</summary>
    /// <param name="firstPlace">The first place the piece tells of.</param>
    /// <param name="lastPlace">The last one.</param>
    /// <param name="firstPiece">The sequence number of the checkpoint's first piece; 0 where this is it.</param>
    public void Range(uint firstPlace, uint lastPlace, long firstPiece)
    {
        Clear();
        Add(new EventEntry(EventEntryKind.Range, 0, firstPlace, (int)lastPlace, 0, (ulong)firstPiece));
    }

    /// <summary>A page that the piece's range holds.</summary>
    /// <param name="index">Its index.</param>
    /// <param name="storedBytes">The bytes it takes in the event that has it.</param>
    /// <param name="sequenceNr">That event.</param>
    public void Held(uint index, int storedBytes, long sequenceNr) =>
        Add(new EventEntry(EventEntryKind.Held, 0, index, 0, storedBytes, (ulong)sequenceNr));

    /// <summary>Empties the builder for the next event.</summary>
    public void Clear()
    {
        _entries.Clear();
        if (_pages.Length > 0) ArrayPool<byte>.Shared.Return(_pages);
        _pages = [];
        _pageBytes = 0;
    }

    /// <summary>Makes the event; the builder keeps what it gathered.</summary>
    /// <param name="key">The object.</param>
    /// <param name="incarnation">The incarnation of its owner that writes.</param>
    /// <param name="pagesAfter">Pages the object holds after the event.</param>
    /// <param name="position">Where in the object's journal it will stand.</param>
    /// <exception cref="InvalidOperationException">The builder is empty.</exception>
    public JournalEvent ToEvent(ObjectKey key, ulong incarnation, uint pagesAfter, LogPosition position = default)
    {
        if (IsEmpty) throw new InvalidOperationException("An event has one entry at least; a fence where nothing changes.");
        var head = EventFormat.HeaderBytes + (_entries.Count * EventFormat.EntryBytes);
        var bytes = GC.AllocateUninitializedArray<byte>(head + _pageBytes);
        _pages.AsSpan(0, _pageBytes).CopyTo(bytes.AsSpan(head));
        var table = bytes.AsSpan(EventFormat.HeaderBytes, head - EventFormat.HeaderBytes);
        var entries = CollectionsMarshal.AsSpan(_entries);
        for (var i = 0; i < entries.Length; i++) Place(entries[i], key, head, bytes).Write(table[(i * EventFormat.EntryBytes)..]);
        var header = new EventHeader(_pageSizeBytes, entries.Length, incarnation, pagesAfter, bytes.Length, EventFormat.Checksum(key, table))
        {
            Base = position.Base,
            LogBytes = position.BytesBefore + bytes.Length,
        };
        header.Write(key, bytes, baseIsHere: position.BaseIsHere || entries[0].Kind == EventEntryKind.FlushObject);
        return new JournalEvent(bytes);
    }

    private EventEntry Place(EventEntry entry, ObjectKey key, int head, ReadOnlySpan<byte> bytes)
    {
        if (entry.Kind != EventEntryKind.Put) return entry;
        var offset = head + entry.Offset;
        return entry with
        {
            Offset = offset,
            Checksum = EventFormat.PageChecksum(key, entry.Index, _pageSizeBytes, entry.Codec, bytes.Slice(offset, entry.StoredBytes)),
        };
    }

    private void Add(EventEntry entry)
    {
        DemandRoom(0);
        _entries.Add(entry);
    }

    private void DemandRoom(int pageBytes)
    {
        if (!HasRoomFor(1, pageBytes))
            throw new InvalidOperationException($"An event holds {EventFormat.MaxEntries} entries and {EventFormat.MaxPageBytes} page bytes at most.");
    }

    private void Reserve(int more)
    {
        if (_pages.Length - _pageBytes >= more) return;
        var larger = ArrayPool<byte>.Shared.Rent(Math.Max(FirstBufferBytes, Math.Max(_pages.Length * 2, _pageBytes + more)));
        _pages.AsSpan(0, _pageBytes).CopyTo(larger);
        if (_pages.Length > 0) ArrayPool<byte>.Shared.Return(_pages);
        _pages = larger;
    }
}

/// <summary>Where in its object's journal an event will stand.</summary>
/// <param name="Base">The event after which a recovery may begin once this one is there; 0 at the very beginning.</param>
/// <param name="BytesBefore">Bytes of all the events before it, deleted ones too.</param>
/// <param name="BaseIsHere">Whether a recovery may begin directly before it.</param>
public readonly record struct LogPosition(long Base, long BytesBefore, bool BaseIsHere = false);

/// <summary>How many stored bytes a page may have.</summary>
internal static class StoredLengths
{
    public static bool Allow(PageCodec codec, int stored, int pageSizeBytes) => codec switch
    {
        PageCodec.Raw => stored == pageSizeBytes,
        PageCodec.Lz4 or PageCodec.Zstd => stored > 0 && stored < pageSizeBytes,
        PageCodec.Same => stored == sizeof(ulong),
        _ => false,
    };
}
