using System.Data.Common;
using Grid.Protocol;

namespace Grid.Node.Journal;

/// <summary>A piece of a search for journals with something to delete.</summary>
/// <param name="Objects">Whose journals they are.</param>
/// <param name="Last">The last persistence id looked at: where to go on.</param>
/// <param name="IsLast">Whether all are looked at.</param>
public sealed record LeftoverPart(IReadOnlyList<ObjectKey> Objects, string Last, bool IsLast);

/// <summary>
/// Finds objects whose journals hold what nobody needs: a deletion or a cleaning was cut short, and goes on only where the object comes to life. Both ends of a journal are enough to tell. Everything here blocks.
/// </summary>
internal static class JournalLeftovers
{
    /// <summary>Looks at some objects.</summary>
    public static LeftoverPart Find(JournalDatabase database, DbConnection connection, string after, int most, long minDeadBytes, int deadPercent)
    {
        var ids = JournalQueries.ListIds(connection, JournalIds.ObjectPrefix, after, most);
        var found = new List<ObjectKey>();
        foreach (var id in ids)
            if (JournalIds.TryParseObject(id, out var key) && Has(database, connection, key, minDeadBytes, deadPercent)) found.Add(key);
        return new LeftoverPart(found, ids.Count == 0 ? after : ids[^1], ids.Count < most);
    }

    /// <summary>Whether a journal holds what nobody needs, as far as its ends tell. Its pages are taken to be as large as they can be.</summary>
    internal static bool Has(JournalEnds ends, long minDeadBytes, int deadPercent)
    {
        if (ends.HasLeftovers) return true;
        // An object that holds nothing keeps nothing.
        if (ends.Newest.PagesAfter == 0 && ends.Newest.Base > ends.Deleted) return true;
        var begin = ends.First.LogBytes == 0 ? 0 : ends.First.LogBytes - ends.First.EventBytes;
        var bytes = ends.Newest.LogBytes - begin;
        var dead = bytes - (ends.Newest.PagesAfter * (ends.Newest.PageSizeBytes + (2L * EventFormat.EntryBytes)));
        return dead >= minDeadBytes && dead * 100 >= bytes * deadPercent;
    }

    private static bool Has(JournalDatabase database, DbConnection connection, ObjectKey key, long minDeadBytes, int deadPercent)
    {
        try
        {
            return JournalQueries.ReadEnds(database, connection, key) is { } ends && Has(ends, minDeadBytes, deadPercent);
        }
        catch (JournalCorruptException)
        {
            // Whoever asks for it is told what is wrong; nothing of a damaged journal is deleted.
            return false;
        }
    }
}
