using System.Buffers;
using Akka.Actor;
using Grid.Node.Admin;
using Grid.Node.Cluster;
using Grid.Node.Hosting;
using Grid.Protocol;

namespace Grid.Node.Objects;

/// <summary>What an object was brought of the pages it had at its last node. Nobody has served it in between.</summary>
/// <param name="Parts">Bodies of answers, as <see cref="KeptAside.Pull"/> writes them.</param>
internal sealed record PagesPulled(IReadOnlyList<byte[]> Parts) : IBearsPages
{
    long IBearsPages.PageBytes => Parts.Sum(part => (long)part.Length);
}

/// <summary>Brings objects the pages that they had at the node that served their shard before, over the data plane and within a time. What does not come in time is a miss.</summary>
/// <param name="settings">How long others keep pages, and how long an object waits for its own.</param>
/// <param name="peers">How other nodes are asked.</param>
/// <param name="log">The log.</param>
internal sealed class WarmPull(HandOffSettings settings, PeerClients peers, ILogger log) : IDisposable
{
    private const int AtOnce = 8;
    private readonly SemaphoreSlim _turns = new(AtOnce);

    /// <summary>How long others keep pages.</summary>
    public TimeSpan Within => settings.Time;

    /// <summary>Asks the nodes that keep something for the shard's life, and tells the object what came.</summary>
    public void Begin(ObjectKey key, ShardLife life, IActorRef to) => _ = RunAsync(key, life, to);

    public void Dispose() => _turns.Dispose();

    private async Task RunAsync(ObjectKey key, ShardLife life, IActorRef to)
    {
        var parts = new List<byte[]>();
        using var deadline = new CancellationTokenSource(settings.PullTimeout);
        foreach (var address in life.Warm)
        {
            try
            {
                // A few at a time: what is on its way lies in memory that nobody counts.
                await _turns.WaitAsync(deadline.Token).ConfigureAwait(false);
                try
                {
                    await PullAsync(address, key, life.Incarnation, parts, deadline.Token).ConfigureAwait(false);
                }
                finally
                {
                    _turns.Release();
                }
            }
            catch (Exception failure)
            {
                // Where the node is gone the objects that follow need not wait for it, too; one that was too slow for one object may serve the next.
                if (failure is not OperationCanceledException) life.EndPulling();
                log.LogInformation("Pages of {Object} that {Node} kept did not come, or not all: {Reason}", key, address, failure.Message);
            }
        }

        to.Tell(new PagesPulled(parts), ActorRefs.NoSender);
    }

    private async Task PullAsync(string address, ObjectKey key, ulong incarnation, List<byte[]> parts, CancellationToken cancellation)
    {
        var client = await peers.GetAsync(address).WaitAsync(cancellation).ConfigureAwait(false);
        var body = new ArrayBufferWriter<byte>();
        Write(body, key, incarnation);
        while (true)
        {
            var answer = await client.ControlAsync(Opcode.PullPages, body.WrittenMemory, cancellation).ConfigureAwait(false);
            parts.Add(answer.Body);
            if (new BodyReader(new ReadOnlySequence<byte>(answer.Body)).UInt32() == 0) return;
        }
    }

    private static void Write(ArrayBufferWriter<byte> body, ObjectKey key, ulong incarnation)
    {
        var writer = new BodyWriter(body);
        new PullRequest(key, incarnation).Write(ref writer);
    }
}
