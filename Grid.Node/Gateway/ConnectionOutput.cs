using System.IO.Pipelines;
using Grid.Node.Objects;

namespace Grid.Node.Gateway;

/// <summary>The answers of one client's connection.</summary>
/// <param name="pipe">Where answers are written to.</param>
/// <param name="services">What the gateway uses.</param>
/// <param name="requests">Where written requests go back to.</param>
/// <param name="onNotice">Told of a written notice, which is of no window.</param>
/// <param name="onDamaged">Told of a page in memory that does not decode.</param>
internal sealed class ConnectionOutput(PipeWriter pipe, GatewayServices services, RequestPool requests, Action<ObjectRequest> onNotice, Action<Exception> onDamaged)
    : AnswerOutput<ObjectRequest>(pipe, FlushAboveBytes, CancellationToken.None)
{
    private const int FlushAboveBytes = 512 << 10;

    /// <inheritdoc/>
    protected override ObjectRequest? NextOf(ObjectRequest answer) => answer.Next;

    /// <inheritdoc/>
    protected override void Link(ObjectRequest answer, ObjectRequest? next) => answer.Next = next;

    /// <inheritdoc/>
    protected override void WriteOne(ObjectRequest request)
    {
        if (!request.IsForwarded) services.Metrics.Operation(request.Opcode, request.Status);
        PoolCounting.Count(request);
        try
        {
            if (!IsBroken) AnswerWriter.Write(Pipe, request, services.Objects.Store);
        }
        catch (InvalidOperationException)
        {
            // The pipe was completed under us: the connection is gone, and so is who waits for the answer.
            Break();
        }
        catch (InvalidDataException damaged)
        {
            // A page in memory does not decode. Half a frame is out: what follows would be read as part of it.
            Break();
            onDamaged(damaged);
        }

        services.Objects.ReleaseAnswer(request);
        services.Objects.DropPages(request);
        services.Forwarder.LetGo(request);
        if (request.IsNotice) onNotice(request);
        else requests.Return(request, request.IsReusable);
    }
}
