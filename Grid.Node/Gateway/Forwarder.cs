using System.Buffers;
using Grid.Client;
using Grid.Node.Admin;
using Grid.Node.Memory;
using Grid.Node.Objects;
using Grid.Protocol;

namespace Grid.Node.Gateway;

/// <summary>
/// Carries requests of clients that can reach one address only to the nodes that own their objects, and the answers back. It repeats nothing that may have had an effect: what it
/// cannot say is told the client as unknown, everything else as "not serving", which the client repeats.
/// </summary>
/// <param name="peers">How other nodes are asked.</param>
/// <param name="whereabouts">Who owns what.</param>
/// <param name="store">Where the bytes held are counted.</param>
/// <param name="metrics">Where forwarded requests are counted.</param>
/// <param name="self">This node's own data address.</param>
internal sealed class Forwarder(PeerClients peers, ShardWhereabouts whereabouts, PageStore store, GridMetrics metrics, string self)
{
    /// <summary>How long the owner may take. Owners remember a session's newest epoch for longer.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    /// <summary>The most bytes of requests and answers held at a time; past it clients are asked to come again.</summary>
    private const long MostHeldBytes = 64L << 20;

    /// <summary>After so many nodes that sent it elsewhere a request is given back: ownership is changing hands.</summary>
    private const int MostHops = 3;

    private long _heldBytes;

    /// <summary>Bytes held now.</summary>
    public long HeldBytes => Volatile.Read(ref _heldBytes);

    /// <summary>The node to which a request is to be forwarded; null: it is this node's, or nobody's that is known, or no request.</summary>
    public string? OwnerOf(in FrameHeader header, ReadOnlySequence<byte> body)
    {
        if (!ObjectRequestHead.TryRead(ref body, (RequestFlags)header.Flags, out var head)) return null;
        return whereabouts.Elsewhere(head.Key) is { } owner && owner != self ? owner : null;
    }

    /// <summary>Forwards a request that was checked; it is answered when the owner has answered.</summary>
    /// <param name="owner">Where to.</param>
    /// <param name="header">The request's header.</param>
    /// <param name="body">Its body.</param>
    /// <param name="request">The request.</param>
    /// <param name="client">Who asks.</param>
    public void Begin(string owner, in FrameHeader header, in ReadOnlySequence<byte> body, ObjectRequest request, HelloRequest client)
    {
        request.MarkQueued();
        if (!request.TryTake()) return;
        var flags = (RequestFlags)header.Flags | RequestFlags.Forwarded;
        var forwarded = MakeBody(body, flags, client);
        if (!TryHold(request, forwarded.Length + MostAnswerBytes(request)))
        {
            request.Fail(Status.NotServing, "this node forwards as much as it can hold already");
            return;
        }

        metrics.Forwarded();
        _ = RunAsync(owner, flags, forwarded, request);
    }

    /// <summary>The answer is written: what was held for it is held no more.</summary>
    public void LetGo(ObjectRequest request)
    {
        if (request.HeldBytes == 0) return;
        store.Reserve(-request.HeldBytes);
        Interlocked.Add(ref _heldBytes, -request.HeldBytes);
        request.HeldBytes = 0;
    }

    private async Task RunAsync(string owner, RequestFlags flags, byte[] body, ObjectRequest request)
    {
        try
        {
            for (var hop = 0; hop < MostHops; hop++)
            {
                var peer = await peers.GetAsync(owner).ConfigureAwait(false);
                if (peer.Server.Version < ProtocolLimits.ForwardingVersion)
                {
                    request.Fail(Status.NotServing, $"the object's owner {owner} speaks protocol version {peer.Server.Version}, in which nodes do not forward");
                    return;
                }

                var answer = await peer.RelayAsync(request.Opcode, flags, body, request.ChangesNothing, Patience, CancellationToken.None).ConfigureAwait(false);
                if (answer.Status != Status.Moved)
                {
                    End(request, answer);
                    return;
                }

                if (answer.Text == self) break;
                owner = answer.Text;
                whereabouts.Learn(request.Key, owner);
            }

            whereabouts.Forget(request.Key);
            request.Fail(Status.NotServing, "the object is changing hands");
        }
        catch (GridException failure)
        {
            whereabouts.Forget(request.Key);
            if (failure.Outcome == CallOutcome.NotApplied) request.Fail(Status.NotServing, $"the object's owner {owner} could not be asked: {failure.Message}");
            else request.Fail(Status.FailedUnknown, $"the object's owner {owner} was asked and did not answer: {failure.Message}");
        }
        catch (Exception failure)
        {
            // This node is stopping, or something is wrong here: the owner may have been asked.
            whereabouts.Forget(request.Key);
            request.Fail(request.ChangesNothing ? Status.NotServing : Status.FailedUnknown, $"forwarding to {owner} failed: {failure.Message}");
        }
    }

    private void End(ObjectRequest request, in ControlAnswer answer)
    {
        if (!answer.Status.IsError())
        {
            request.AnswerForwarded(answer.Status, answer.Detail, answer.Body);
            return;
        }

        if (answer.Status == Status.NotServing) whereabouts.Forget(request.Key);
        request.Fail(answer.Status, answer.Text);
    }

    /// <summary>The body with the client's session in it.</summary>
    private static byte[] MakeBody(ReadOnlySequence<byte> body, RequestFlags flags, HelloRequest client)
    {
        ObjectRequestHead.TryRead(ref body, flags & ~RequestFlags.Forwarded, out var head);
        head = head with { Session = client.Session, Epoch = client.Epoch };
        var made = new byte[ObjectRequestHead.SizeBytes(flags) + body.Length];
        body.CopyTo(made.AsSpan(head.Write(made, flags)));
        return made;
    }

    private static int MostAnswerBytes(ObjectRequest request) => ObjectVersion.SizeBytes + request.Opcode switch
    {
        Opcode.Get => request.Pool.Options.PageSizeBytes,
        Opcode.GetBatch => BatchAnswer.BitsBytes + (request.Count * request.Pool.Options.PageSizeBytes),
        Opcode.WriteBatch => BatchAnswer.BitsBytes,
        Opcode.ListPages => request.Most * sizeof(uint),
        _ => 0,
    };

    private bool TryHold(ObjectRequest request, int bytes)
    {
        if (Interlocked.Add(ref _heldBytes, bytes) <= MostHeldBytes && store.TryReserve(bytes))
        {
            request.HeldBytes = bytes;
            return true;
        }

        Interlocked.Add(ref _heldBytes, -bytes);
        return false;
    }
}
