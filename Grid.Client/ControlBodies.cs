using System.Buffers;
using Grid.Protocol;

namespace Grid.Client;

/// <summary>Writes the bodies of control requests.</summary>
internal static class ControlBodies
{
    public static ReadOnlyMemory<byte> Of(ObjectListRequest request)
    {
        var body = new ArrayBufferWriter<byte>();
        var writer = new BodyWriter(body);
        request.Write(ref writer);
        return body.WrittenMemory;
    }

    public static ReadOnlyMemory<byte> Of(VerifyRequest request)
    {
        var body = new ArrayBufferWriter<byte>();
        var writer = new BodyWriter(body);
        request.Write(ref writer);
        return body.WrittenMemory;
    }
}
