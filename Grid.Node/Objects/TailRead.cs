using Akka.Actor;
using Grid.Node.Admin;
using Grid.Node.Journal;
using Grid.Protocol;

namespace Grid.Node.Objects;

/// <summary>A piece of an object's journal, in order, or why it could not be read.</summary>
/// <param name="Ends">The ends of the journal, where the reading began with finding them; null otherwise, and where there is no journal.</param>
/// <param name="Rows">The heads of the events.</param>
/// <param name="IsLast">Whether there were no more.</param>
/// <param name="Failure">Why there are none.</param>
internal sealed record TailRead(JournalEnds? Ends, IReadOnlyList<JournalRow> Rows, bool IsLast, Exception? Failure) : IBearsPages
{
    long IBearsPages.PageBytes => Rows.Sum(row => (long)row.Payload.Length);

    private const int MaxRows = 1024;

    /// <summary>So much is held at once, however much there is to read.</summary>
    private const int MaxBytes = 1 << 20;

    /// <summary>Begins a recovery: finds where, and reads what comes first.</summary>
    public static Task BeginAsync(ObjectServices services, ObjectKey key, IActorRef self) => TellAsync(self, async () =>
    {
        if (await services.Journal.ReadEndsAsync(key).ConfigureAwait(false) is not { } ends) return new TailRead(null, [], true, null);
        var piece = await ReadAsync(services, key, Math.Max(ends.Newest.Base, ends.Deleted), long.MaxValue).ConfigureAwait(false);
        return piece with { Ends = ends };
    });

    /// <summary>Reads events after one, up to another, and tells the object.</summary>
    public static Task RunAsync(ObjectServices services, ObjectKey key, long after, long through, IActorRef self) =>
        TellAsync(self, () => ReadAsync(services, key, after, through));

    private static async Task<TailRead> ReadAsync(ObjectServices services, ObjectKey key, long after, long through)
    {
        var piece = await services.Journal.ReadHeadsAsync(JournalIds.ForObject(key), after, through, MaxRows, MaxBytes).ConfigureAwait(false);
        return new TailRead(null, piece.Rows, piece.IsLast, null);
    }

    private static async Task TellAsync(IActorRef self, Func<Task<TailRead>> read)
    {
        try
        {
            self.Tell(await read().ConfigureAwait(false));
        }
        catch (Exception failure)
        {
            self.Tell(new TailRead(null, [], true, failure));
        }
    }
}
