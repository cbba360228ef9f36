using System.Buffers;
using Grid.Node.Objects;
using Grid.Node.Pools;
using Grid.Protocol;

namespace Grid.Node.Gateway;

/// <summary>The operations on pools and on the grid itself: rare, so each is an ordinary task.</summary>
internal static class ControlOperations
{
    /// <summary>Reads the request and starts it; it answers itself.</summary>
    /// <exception cref="ProtocolException">The body makes no sense.</exception>
    public static void Start(Opcode opcode, in ReadOnlySequence<byte> body, ObjectRequest request, GatewayServices services, HelloRequest caller)
    {
        var reader = new BodyReader(body);
        var name = opcode is Opcode.Topology or Opcode.PoolList ? "" : reader.String();
        var options = opcode == Opcode.PoolCreate ? PoolCodec.ReadOptions(ref reader) : null;
        reader.End();
        request.MarkQueued();
        if (!request.TryTake()) return;
        if (services.Connections.IsDraining)
        {
            request.Fail(Status.NotServing, "the node is stopping");
            return;
        }

        if (opcode is not (Opcode.Topology or Opcode.PoolList) && PoolOptions.ValidateName(name) is { } wrongName)
        {
            request.Fail(Status.BadArgument, wrongName);
            return;
        }

        if (options?.Validate() is { } wrong)
        {
            request.Fail(Status.BadArgument, wrong);
            return;
        }

        _ = RunAsync(opcode, name, options, request, services, caller);
    }

    private static async Task RunAsync(
        Opcode opcode, string name, PoolOptions? options, ObjectRequest request, GatewayServices services, HelloRequest caller)
    {
        try
        {
            var pools = services.Pools;
            switch (opcode)
            {
                case Opcode.Topology:
                    request.AnswerBody(Status.Ok, default, (ref BodyWriter writer) => services.Topology().Write(ref writer));
                    break;
                case Opcode.PoolList:
                    var list = await pools.ListAsync(caller.Tenant, CancellationToken.None).ConfigureAwait(false);
                    request.AnswerBody(Status.Ok, default, (ref BodyWriter writer) =>
                    {
                        writer.UInt32((uint)list.Count);
                        foreach (var pool in list) PoolCodec.WriteInfo(ref writer, pool);
                    });
                    break;
                case Opcode.PoolStat:
                    var stat = await pools.StatAsync(caller.Tenant, name, CancellationToken.None).ConfigureAwait(false);
                    if (stat.Stat is null) request.Fail(stat.Status, stat.Text);
                    else request.AnswerBody(Status.Ok, default, (ref BodyWriter writer) => PoolCodec.WriteStat(ref writer, stat.Stat));
                    break;
                default:
                    var answer = opcode switch
                    {
                        Opcode.PoolCreate => await pools.CreateAsync(caller.Tenant, caller.Member, name, options!, CancellationToken.None).ConfigureAwait(false),
                        Opcode.PoolOpen => await pools.OpenAsync(caller.Tenant, caller.Member, name, CancellationToken.None).ConfigureAwait(false),
                        Opcode.PoolFreeze => await pools.FreezeAsync(caller.Tenant, name, CancellationToken.None).ConfigureAwait(false),
                        Opcode.PoolThaw => await pools.ThawAsync(caller.Tenant, name, CancellationToken.None).ConfigureAwait(false),
                        _ => await pools.DestroyAsync(caller.Tenant, caller.Member, name, CancellationToken.None).ConfigureAwait(false),
                    };
                    if (answer.Status.IsError()) request.Fail(answer.Status, answer.Text);
                    else request.AnswerBody(answer.Status, default, (ref BodyWriter writer) =>
                    {
                        if (opcode != Opcode.PoolDestroy) PoolCodec.WriteInfo(ref writer, answer.Pool!);
                    });
                    break;
            }
        }
        catch (Exception failure)
        {
            request.Fail(Status.FailedUnknown, $"the pool registry failed: {failure.Message}");
        }
    }
}
