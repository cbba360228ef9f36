using Akka.Actor;
using Grid.Node.Journal;
using Grid.Node.Memory;
using Grid.Protocol;

namespace Grid.Node.Objects;

/// <summary>
/// Writes, reads and deletes one page of an object that no client can name, before a node joins others. A process that has just started opens its connections to the database
/// and compiles the way to it with the first page, a second or more on a busy machine: the first objects that come here should not have to wait for that.
/// </summary>
internal static class JournalWarmUp
{
    private const int PageBytes = 4096;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    /// <summary>Does it; what goes wrong is told to the log and is no reason not to start: objects that need the journal will say so themselves.</summary>
    /// <param name="system">The node's actors.</param>
    /// <param name="journal">The journal's reader.</param>
    /// <param name="readers">Connections that read.</param>
    /// <param name="log">Where failures go.</param>
    public static async Task RunAsync(ActorSystem system, JournalReader journal, int readers, ILogger log)
    {
        // Pool 0 is nobody's, and the object nobody else's: what a crash leaves behind is one row that nobody reads.
        var key = new ObjectKey(new PoolId(0), new ObjectId((ulong)Random.Shared.NextInt64(), (ulong)Random.Shared.NextInt64(), (ulong)Random.Shared.NextInt64()));
        try
        {
            await Task.WhenAll(Enumerable.Range(0, readers).Select(_ => journal.ReadEndsAsync(key))).WaitAsync(Patience);
            var written = new TaskCompletionSource<long>(TaskCreationOptions.RunContinuationsAsynchronously);
            system.ActorOf(Props.Create(() => new OneWrite(key, written)), "journal-warm-up");
            var sequenceNr = await written.Task.WaitAsync(Patience);
            var id = JournalIds.ForObject(key);
            await journal.ReadEndsAsync(key).WaitAsync(Patience);
            await journal.ReadHeadsAsync(id, sequenceNr - 1, long.MaxValue, 1).WaitAsync(Patience);
            await journal.ReadPageAsync(key, sequenceNr, 0).WaitAsync(Patience);
            await journal.DeletePrefixAsync(id).WaitAsync(Patience);
        }
        catch (Exception failure)
        {
            log.LogWarning("The journal was tried before joining and did not work: {Cause}", failure.Message);
        }
    }

    /// <summary>Writes one event and ends.</summary>
    private sealed class OneWrite(ObjectKey key, TaskCompletionSource<long> written) : ActorBase
    {
        protected override void PreStart() => Context.ActorOf(WriterActor.Props(JournalIds.ForObject(key)), "writer");

        protected override bool Receive(object message)
        {
            switch (message)
            {
                case WriterReady:
                    var builder = new EventBuilder(PageBytes);
                    builder.Put(0, PageCodec.Raw, new byte[PageBytes]);
                    Sender.Tell(new Write(builder.ToEvent(key, incarnation: 1, pagesAfter: 1), 1));
                    return true;
                case Written done:
                    written.TrySetResult(done.SequenceNr);
                    break;
                case WriteFailed failed:
                    written.TrySetException(new JournalUnavailableException(failed.Cause.Message));
                    break;
                case WriterDown down:
                    written.TrySetException(new JournalUnavailableException(down.Cause.Message));
                    break;
                default:
                    return false;
            }

            Context.Stop(Self);
            return true;
        }
    }
}
