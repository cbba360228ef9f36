using System.Buffers;
using System.Data;
using System.Data.Common;
using Grid.Node.Memory;
using Grid.Protocol;

namespace Grid.Node.Journal;

/// <summary>
/// Looks at everything the journal holds of an object, a piece at a time, and tells what is not as it was written: gaps, headers, entries, checksums, pages that do not
/// decode to their size. Unlike the reads that serve pages it goes on after damage. Everything here blocks; nothing is changed.
/// </summary>
internal static class JournalAudit
{
    private const int MaxRows = 1024;

    /// <summary>Damaged pages of one event that are told one by one.</summary>
    private const int MaxPagesOfAnEvent = 16;

    /// <summary>Later events that are looked at to see whether a damaged page is superseded; what lies beyond counts as needed.</summary>
    private const int MaxLaterHeads = 20_000;

    private const int HeadsAtOnce = 256;

    private const int BytesAtOnce = 1 << 20;

    /// <summary>Looks at the events after one, as many as fit the bytes.</summary>
    public static VerifyPart Step(JournalDatabase database, DbConnection connection, ObjectKey key, long after, int maxBytes)
    {
        var piece = new Piece(key);
        try
        {
            ReadRows(database, connection, key, after, maxBytes, piece);
        }
        catch (DbException failure) when (database.Explain("", failure) is JournalCorruptException)
        {
            // Nothing behind it can be read in order: this journal ends here.
            piece.Add(piece.Last + 1, null, $"the database can't read its own file there: {failure.Message}");
            piece.IsLast = true;
        }

        return new VerifyPart(piece.IsLast, (ulong)piece.Last, piece.Events, piece.Pages, piece.Bytes, MarkSuperseded(database, connection, key, piece.Damages));
    }

    private static void ReadRows(JournalDatabase database, DbConnection connection, ObjectKey key, long after, int maxBytes, Piece piece)
    {
        var id = JournalIds.ForObject(key);
        using var transaction = database.BeginRead(connection);
        piece.Last = Math.Max(after, JournalQueries.Deleted(connection, transaction, id));
        var most = database.SendsAhead ? RowsWithin(connection, transaction, id, piece.Last, maxBytes) : MaxRows;
        using var command = connection
            .Command(transaction, "SELECT sequence_number, identifier, manifest, message FROM journal WHERE persistence_id = @id AND sequence_number > @after ORDER BY sequence_number LIMIT @most")
            .Add("@id", id).Add("@after", piece.Last).Add("@most", most);
        using var reader = command.ExecuteReader(CommandBehavior.SequentialAccess);
        var rows = 0;
        while (piece.Bytes < (ulong)maxBytes && piece.Damages.Count < ProtocolLimits.MaxDamages - MaxPagesOfAnEvent - 2)
        {
            if (!reader.Read())
            {
                piece.IsLast = rows < most;
                return;
            }

            rows++;
            piece.Look(reader);
        }
    }

    /// <summary>How many events to ask for so that hardly more than the bytes travel; one more than there are, where that is not more.</summary>
    private static int RowsWithin(DbConnection connection, DbTransaction transaction, string id, long after, int maxBytes)
    {
        using var command = connection
            .Command(transaction, "SELECT length(message) FROM journal WHERE persistence_id = @id AND sequence_number > @after ORDER BY sequence_number LIMIT @most")
            .Add("@id", id).Add("@after", after).Add("@most", MaxRows);
        using var reader = command.ExecuteReader();
        var (rows, bytes) = (0, 0L);
        while (reader.Read())
        {
            rows++;
            bytes += reader.GetInt64(0);
            if (bytes >= maxBytes) return rows;
        }

        return rows + 1;
    }

    /// <summary>Sees which damaged pages no get asks for any more, because a later event decides what their index holds.</summary>
    private static List<JournalDamage> MarkSuperseded(JournalDatabase database, DbConnection connection, ObjectKey key, List<JournalDamage> damages)
    {
        var open = damages.Where(damage => damage is { Index: not null, IsSuperseded: false }).ToList();
        if (open.Count == 0) return damages;
        var superseded = new HashSet<JournalDamage>(ReferenceEqualityComparer.Instance);
        var after = (long)open.Min(damage => damage.Event);
        try
        {
            for (var heads = 0; heads < MaxLaterHeads && superseded.Count < open.Count;)
            {
                var page = JournalQueries.ReadHeads(database, connection, JournalIds.ForObject(key), after, long.MaxValue, HeadsAtOnce, BytesAtOnce);
                foreach (var row in page.Rows)
                {
                    after = row.SequenceNr;
                    var entries = EventReader.OpenHead(key, row.SequenceNr, row.Payload).Entries;
                    foreach (var entry in entries)
                        foreach (var damage in open)
                            if ((long)damage.Event < row.SequenceNr && entry.Touches(damage.Index!.Value)) superseded.Add(damage);
                }

                heads += page.Rows.Count;
                if (page.IsLast) break;
            }
        }
        catch (JournalCorruptException)
        {
            // What can't be read can't tell: the rest counts as needed, and is reported where it stands.
        }

        return damages.ConvertAll(damage => superseded.Contains(damage) ? damage with { IsSuperseded = true } : damage);
    }

    /// <summary>What was seen so far.</summary>
    private sealed class Piece(ObjectKey key)
    {
        public long Last { get; set; }

        public bool IsLast { get; set; }

        public ulong Events { get; private set; }

        public ulong Pages { get; private set; }

        public ulong Bytes { get; private set; }

        public List<JournalDamage> Damages { get; } = [];

        public void Add(long sequenceNr, uint? index, string what, bool isSuperseded = false) =>
            Damages.Add(new JournalDamage((ulong)sequenceNr, index, isSuperseded, what.Length > 500 ? what[..500] : what));

        /// <summary>Looks at the row the reader stands on.</summary>
        public void Look(DbDataReader reader)
        {
            var sequenceNr = reader.GetInt64(0);
            if (sequenceNr != Last + 1)
                Add(Last + 1, null, sequenceNr == Last + 2 ? $"event {Last + 1} is missing" : $"events {Last + 1} to {sequenceNr - 1} are missing");
            Last = sequenceNr;
            var serializer = reader.IsDBNull(1) ? 0 : reader.GetInt32(1);
            var manifest = reader.IsDBNull(2) ? "" : reader.GetString(2);
            var payload = reader.GetFieldValue<byte[]>(3);
            Events++;
            Bytes += (ulong)payload.Length;
            if (serializer != JournalEventSerializer.Id || !JournalEventSerializer.Reads(manifest))
                Add(sequenceNr, null, $"the event is not one of the Grid's (serializer {serializer}, manifest '{manifest}')");
            else LookInto(sequenceNr, payload);
        }

        private void LookInto(long sequenceNr, byte[] payload)
        {
            EventReader reader;
            try
            {
                reader = EventReader.Open(key, sequenceNr, payload);
            }
            catch (JournalCorruptException corrupt)
            {
                Add(sequenceNr, null, corrupt.Reason);
                return;
            }

            var page = ArrayPool<byte>.Shared.Rent(reader.Header.PageSizeBytes);
            var damaged = 0;
            foreach (var entry in reader.Entries)
            {
                if (entry.Kind != EventEntryKind.Put) continue;
                Pages++;
                if (Wrong(reader, entry, page.AsSpan(0, reader.Header.PageSizeBytes)) is not { } what || ++damaged > MaxPagesOfAnEvent) continue;
                var superseded = !reader.TryLastEntry(entry.Index, out var last) || last != entry;
                Add(sequenceNr, entry.Index, what, superseded);
            }

            ArrayPool<byte>.Shared.Return(page);
            if (damaged > MaxPagesOfAnEvent) Add(sequenceNr, null, $"{damaged - MaxPagesOfAnEvent} more of its pages are damaged");
        }

        private static string? Wrong(EventReader reader, in EventEntry entry, Span<byte> page)
        {
            try
            {
                var stored = reader.Page(entry);
                PageCodecs.Decode(stored.Codec, stored.Stored.Span, page);
                return null;
            }
            catch (JournalCorruptException corrupt)
            {
                return corrupt.Reason;
            }
            catch (InvalidDataException undecodable)
            {
                return $"its checksum holds, but it does not decode to a page of {page.Length} bytes: {undecodable.Message}";
            }
        }
    }
}
