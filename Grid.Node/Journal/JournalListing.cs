using System.Data.Common;
using Grid.Protocol;

namespace Grid.Node.Journal;

/// <summary>Lists what the journal holds. Everything here blocks.</summary>
internal static class JournalListing
{
    /// <summary>A piece of the list of a pool's objects: their persistence ids sort as their ids do.</summary>
    public static ObjectListPart Objects(JournalDatabase database, DbConnection connection, ObjectListRequest request)
    {
        var after = request.From == default ? "" : JournalIds.ForObject(new ObjectKey(request.Pool, ObjectOrder.Before(request.From)));
        var ids = JournalQueries.ListIds(connection, JournalIds.PoolPrefix(request.Pool), after, request.Most);
        var objects = new List<ListedObject>(ids.Count);
        var next = request.From;
        foreach (var id in ids)
        {
            if (!JournalIds.TryParseObject(id, out var key)) throw JournalCorruptException.InJournal(id, "no object has such a persistence id");
            var pages = PagesOf(database, connection, key);
            if (pages != 0 || request.WithEmpty) objects.Add(new ListedObject(key.Object, pages));
            next = ObjectOrder.After(key.Object);
        }

        // The very last id there can be has none behind it.
        return new ObjectListPart(objects, next, ids.Count < request.Most || next == default);
    }

    /// <summary>Events in order, as they stand there.</summary>
    public static IReadOnlyList<ForeignRow> Foreign(DbConnection connection, string id, long after, int maxRows)
    {
        using var command = connection
            .Command(null, "SELECT sequence_number, manifest, message FROM journal WHERE persistence_id = @id AND sequence_number > @after ORDER BY sequence_number LIMIT @most")
            .Add("@id", id).Add("@after", after).Add("@most", maxRows);
        using var reader = command.ExecuteReader();
        var rows = new List<ForeignRow>();
        while (reader.Read()) rows.Add(new ForeignRow(reader.GetInt64(0), reader.IsDBNull(1) ? "" : reader.GetString(1), reader.GetFieldValue<byte[]>(2)));
        return rows;
    }

    private static ulong? PagesOf(JournalDatabase database, DbConnection connection, ObjectKey key)
    {
        try
        {
            return (ulong)JournalQueries.PagesOf(database, connection, key);
        }
        catch (JournalCorruptException)
        {
            // One damaged object must not hide the others; whoever asks for it is told what is wrong.
            return null;
        }
    }
}

/// <summary>The order of object ids: as numbers of 192 bits.</summary>
internal static class ObjectOrder
{
    /// <summary>The next id; zero after the last.</summary>
    public static ObjectId After(ObjectId id)
    {
        var word2 = id.Word2 + 1;
        var word1 = word2 == 0 ? id.Word1 + 1 : id.Word1;
        return new ObjectId(word2 == 0 && word1 == 0 ? id.Word0 + 1 : id.Word0, word1, word2);
    }

    /// <summary>The id before; the last before zero.</summary>
    public static ObjectId Before(ObjectId id)
    {
        var word2 = id.Word2 - 1;
        var word1 = id.Word2 == 0 ? id.Word1 - 1 : id.Word1;
        return new ObjectId(id.Word2 == 0 && id.Word1 == 0 ? id.Word0 - 1 : id.Word0, word1, word2);
    }
}
