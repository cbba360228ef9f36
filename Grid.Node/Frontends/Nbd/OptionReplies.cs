using System.Buffers;
using System.Buffers.Binary;
using System.Text;

namespace Grid.Node.Frontends.Nbd;

/// <summary>Writes the answers of the handshake.</summary>
internal static class OptionReplies
{
    private const int HeadBytes = 20;

    /// <summary>The server's first words.</summary>
    public static void Greeting(IBufferWriter<byte> output)
    {
        var span = output.GetSpan(18);
        BinaryPrimitives.WriteUInt64BigEndian(span, NbdMagic.Init);
        BinaryPrimitives.WriteUInt64BigEndian(span[8..], NbdMagic.Option);
        BinaryPrimitives.WriteUInt16BigEndian(span[16..], (ushort)HandshakeFlags.All);
        output.Advance(18);
    }

    /// <summary>An answer without data.</summary>
    public static void Plain(IBufferWriter<byte> output, NbdOption option, NbdOptionReply reply) => Write(output, option, reply, []);

    /// <summary>An error and what it means.</summary>
    public static void Error(IBufferWriter<byte> output, NbdOption option, NbdOptionReply reply, string text) => Write(output, option, reply, Encoding.UTF8.GetBytes(text));

    /// <summary>An export in the list.</summary>
    public static void Server(IBufferWriter<byte> output, ExportFacts export)
    {
        var name = Encoding.UTF8.GetBytes(export.Name);
        var data = new byte[4 + name.Length];
        BinaryPrimitives.WriteUInt32BigEndian(data, (uint)name.Length);
        name.CopyTo(data, 4);
        Write(output, NbdOption.List, NbdOptionReply.Server, data);
    }

    /// <summary>Size and flags.</summary>
    public static void Export(IBufferWriter<byte> output, NbdOption option, ExportFacts export, bool structured)
    {
        Span<byte> data = stackalloc byte[12];
        BinaryPrimitives.WriteUInt16BigEndian(data, (ushort)NbdInfo.Export);
        BinaryPrimitives.WriteUInt64BigEndian(data[2..], export.SizeBytes);
        BinaryPrimitives.WriteUInt16BigEndian(data[10..], (ushort)export.Flags(structured));
        Write(output, option, NbdOptionReply.Info, data);
    }

    /// <summary>Information that is a text.</summary>
    public static void Text(IBufferWriter<byte> output, NbdOption option, NbdInfo info, string text)
    {
        var data = new byte[2 + Encoding.UTF8.GetByteCount(text)];
        BinaryPrimitives.WriteUInt16BigEndian(data, (ushort)info);
        Encoding.UTF8.GetBytes(text, data.AsSpan(2));
        Write(output, option, NbdOptionReply.Info, data);
    }

    /// <summary>The block sizes.</summary>
    public static void BlockSize(IBufferWriter<byte> output, NbdOption option, ExportFacts export)
    {
        Span<byte> data = stackalloc byte[14];
        BinaryPrimitives.WriteUInt16BigEndian(data, (ushort)NbdInfo.BlockSize);
        BinaryPrimitives.WriteUInt32BigEndian(data[2..], (uint)export.MinBlockBytes);
        BinaryPrimitives.WriteUInt32BigEndian(data[6..], (uint)export.PreferredBlockBytes);
        BinaryPrimitives.WriteUInt32BigEndian(data[10..], NbdLimits.PayloadBytes);
        Write(output, option, NbdOptionReply.Info, data);
    }

    /// <summary>A metadata context.</summary>
    public static void MetaContext(IBufferWriter<byte> output, NbdOption option, uint id, string name)
    {
        var data = new byte[4 + Encoding.UTF8.GetByteCount(name)];
        BinaryPrimitives.WriteUInt32BigEndian(data, id);
        Encoding.UTF8.GetBytes(name, data.AsSpan(4));
        Write(output, option, NbdOptionReply.MetaContext, data);
    }

    /// <summary>The answer to EXPORT_NAME, the one option whose answer has no header.</summary>
    public static void ExportName(IBufferWriter<byte> output, ExportFacts export, bool structured, bool withZeroes)
    {
        const int Zeroes = 124;
        var bytes = withZeroes ? 10 + Zeroes : 10;
        var span = output.GetSpan(bytes)[..bytes];
        span.Clear();
        BinaryPrimitives.WriteUInt64BigEndian(span, export.SizeBytes);
        BinaryPrimitives.WriteUInt16BigEndian(span[8..], (ushort)export.Flags(structured));
        output.Advance(bytes);
    }

    private static void Write(IBufferWriter<byte> output, NbdOption option, NbdOptionReply reply, ReadOnlySpan<byte> data)
    {
        var span = output.GetSpan(HeadBytes + data.Length);
        BinaryPrimitives.WriteUInt64BigEndian(span, NbdMagic.OptionReply);
        BinaryPrimitives.WriteUInt32BigEndian(span[8..], (uint)option);
        BinaryPrimitives.WriteUInt32BigEndian(span[12..], (uint)reply);
        BinaryPrimitives.WriteUInt32BigEndian(span[16..], (uint)data.Length);
        data.CopyTo(span[HeadBytes..]);
        output.Advance(HeadBytes + data.Length);
    }
}
