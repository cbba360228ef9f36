using System.Buffers;
using System.Data;
using System.Data.Common;

namespace Grid.Node.Journal;

/// <summary>
/// A whole event in a buffer that is used again: events of a megabyte as arrays of their own would each be made of fresh memory, which costs more than reading them.
/// Who disposes it must have no part of its bytes left.
/// </summary>
public sealed class EventBuffer : IDisposable
{
    private readonly int _length;
    private byte[]? _rented;

    private EventBuffer(int length) => (_length, _rented) = (length, ArrayPool<byte>.Shared.Rent(length));

    /// <summary>The event's bytes. Not verified yet: <see cref="EventReader"/> does that.</summary>
    /// <exception cref="ObjectDisposedException">The buffer is given back.</exception>
    public ReadOnlyMemory<byte> Bytes => (_rented ?? throw new ObjectDisposedException(nameof(EventBuffer))).AsMemory(0, _length);

    /// <inheritdoc/>
    public void Dispose()
    {
        if (Interlocked.Exchange(ref _rented, null) is { } rented) ArrayPool<byte>.Shared.Return(rented);
    }

    /// <summary>Reads an event; missing is damage. Blocks.</summary>
    internal static EventBuffer Read(JournalDatabase database, DbConnection connection, string id, long sequenceNr)
    {
        using var transaction = database.BeginRead(connection);
        var contiguous = Contiguity.Begin(connection, transaction, id, sequenceNr - 1, sequenceNr);
        using var command = JournalQueries.RowsCommand(connection, transaction, $"ordering, length(message), {database.Whole}", contiguous, 1);
        using var reader = command.ExecuteReader(CommandBehavior.SequentialAccess);
        if (!reader.Read())
        {
            contiguous.DemandEnd();
            throw JournalCorruptException.InJournal(id, $"event {sequenceNr} is deleted, or was never written");
        }

        contiguous.Demand(reader);
        var (ordering, length) = (reader.GetInt64(3), reader.GetInt64(4));
        if (length > EventFormat.MaxEventBytes) throw JournalCorruptException.InJournal(id, $"event {sequenceNr} has {length} bytes");
        var buffer = new EventBuffer((int)length);
        try
        {
            if (reader.IsDBNull(5)) database.ReadInto(connection, ordering, buffer._rented.AsSpan(0, buffer._length));
            else if (reader.GetBytes(5, 0, buffer._rented, 0, buffer._length) != length) throw JournalCorruptException.InJournal(id, $"event {sequenceNr} ends before its {length} bytes");
            return buffer;
        }
        catch
        {
            buffer.Dispose();
            throw;
        }
    }
}
