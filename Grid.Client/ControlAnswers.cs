using System.Buffers;
using Grid.Protocol;

namespace Grid.Client;

/// <summary>The answer to a control request: its status and a copy of its body; of one that is relayed also the detail and an error's text.</summary>
internal readonly record struct ControlAnswer(Status Status, byte[] Body, ObjectVersion Version = default, byte Detail = 0, string Text = "");

/// <summary>Reads the bodies of control answers. What makes no sense is a <see cref="GridProtocolException"/>.</summary>
internal static class ControlAnswers
{
    private delegate T Reader<T>(ref BodyReader reader);

    public static PoolInfo Pool(ControlAnswer answer, bool repeatable) => Read(answer, PoolCodec.ReadInfo, repeatable ? CallOutcome.NotApplied : CallOutcome.Unknown);

    public static PoolStat Stat(ControlAnswer answer) => Read(answer, PoolCodec.ReadStat, CallOutcome.NotApplied);

    public static Topology Topology(ControlAnswer answer) => Read(answer, Protocol.Topology.Read, CallOutcome.NotApplied);

    public static IReadOnlyList<PoolInfo> Pools(ControlAnswer answer) => Read<IReadOnlyList<PoolInfo>>(answer, ReadPools, CallOutcome.NotApplied);

    public static ObjectListPart Objects(ControlAnswer answer) => Read(answer, ObjectListPart.Read, CallOutcome.NotApplied);

    public static PageListPart PagesOf(ControlAnswer answer) => Read(answer, PageListPart.Read, CallOutcome.NotApplied);

    public static VerifyPart Verified(ControlAnswer answer) => Read(answer, VerifyPart.Read, CallOutcome.NotApplied);

    private static PoolInfo[] ReadPools(ref BodyReader reader)
    {
        const int SmallestPoolBytes = 36;
        var pools = new PoolInfo[reader.Count(SmallestPoolBytes)];
        for (var i = 0; i < pools.Length; i++) pools[i] = PoolCodec.ReadInfo(ref reader);
        return pools;
    }

    private static T Read<T>(ControlAnswer answer, Reader<T> read, CallOutcome outcome)
    {
        try
        {
            var reader = new BodyReader(new ReadOnlySequence<byte>(answer.Body));
            var value = read(ref reader);
            reader.End();
            return value;
        }
        catch (ProtocolException wrong)
        {
            throw new GridProtocolException($"The node's answer makes no sense: {wrong.Message}.", outcome, wrong);
        }
    }
}
