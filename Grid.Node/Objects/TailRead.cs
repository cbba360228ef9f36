using Akka.Actor;
using Grid.Node.Journal;
using Grid.Node.Pools;
using Grid.Protocol;

namespace Grid.Node.Objects;

/// <summary>A piece of an object's journal, in order, or why it could not be read.</summary>
/// <param name="Rows">The events.</param>
/// <param name="IsLast">Whether there were no more.</param>
/// <param name="Failure">Why there are none.</param>
internal sealed record TailRead(IReadOnlyList<JournalRow> Rows, bool IsLast, Exception? Failure)
{
    /// <summary>Reads events after one, up to another, and tells the object.</summary>
    public static async Task RunAsync(ObjectServices services, string persistenceId, long after, long through, IActorRef self)
    {
        try
        {
            var piece = await services.Journal.ReadHeadsAsync(persistenceId, after, through, services.Limits.RecoveryRowsPerRead).ConfigureAwait(false);
            self.Tell(new TailRead(piece.Rows, piece.IsLast, null));
        }
        catch (Exception failure)
        {
            self.Tell(new TailRead([], true, failure));
        }
    }
}

/// <summary>Replays an event of the journal onto an index: where every page lies, not the pages themselves.</summary>
internal static class JournalReplay
{
    /// <summary>Applies one event.</summary>
    /// <param name="row">The event.</param>
    /// <param name="key">The object.</param>
    /// <param name="index">Its index.</param>
    /// <param name="changes">Its change counter.</param>
    /// <param name="quota">The quota to keep in step; null while an object comes to life, for the registry counts its pages already.</param>
    public static void Apply(in JournalRow row, ObjectKey key, AccountedIndex index, ChangeTracker changes, QuotaAccount? quota)
    {
        var reader = EventReader.OpenHead(key, row.SequenceNr, row.Payload);
        foreach (var entry in reader.Entries)
        {
            switch (entry.Kind)
            {
                case EventEntryKind.Put:
                    // Beyond the quota by a few pages is better than a page without an index entry.
                    if (quota is not null && !index.Contains(entry.Index)) quota.TakeAnyway(1);
                    index.Set(entry.Index, default, changes.Put(entry.Index), row.SequenceNr);
                    break;
                case EventEntryKind.Flush:
                    index.Remove(entry.Index, keepQuota: quota is null);
                    changes.Emptied(entry.Index);
                    break;
                case EventEntryKind.FlushObject:
                    if (quota is null) index.Clear();
                    else index.RemoveAll();
                    changes.EmptiedAll();
                    break;
                case EventEntryKind.Fence:
                    break;
                default:
                    throw new JournalCorruptException($"object {key}: event {row.SequenceNr} has an entry of unknown kind {(byte)entry.Kind}");
            }
        }
    }
}
