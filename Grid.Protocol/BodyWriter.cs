using System.Buffers;
using System.Buffers.Binary;
using System.Text;

namespace Grid.Protocol;

/// <summary>Writes the body of a control frame (little-endian).</summary>
/// <param name="output">Where to.</param>
public ref struct BodyWriter(IBufferWriter<byte> output)
{
    private readonly IBufferWriter<byte> _output = output;

    /// <summary>Writes a byte.</summary>
    /// <param name="value">The value.</param>
    public readonly void Byte(byte value)
    {
        _output.GetSpan(1)[0] = value;
        _output.Advance(1);
    }

    /// <summary>Writes 2 bytes.</summary>
    /// <param name="value">The value.</param>
    public readonly void UInt16(ushort value)
    {
        BinaryPrimitives.WriteUInt16LittleEndian(_output.GetSpan(2), value);
        _output.Advance(2);
    }

    /// <summary>Writes 4 bytes.</summary>
    /// <param name="value">The value.</param>
    public readonly void UInt32(uint value)
    {
        BinaryPrimitives.WriteUInt32LittleEndian(_output.GetSpan(4), value);
        _output.Advance(4);
    }

    /// <summary>Writes 8 bytes.</summary>
    /// <param name="value">The value.</param>
    public readonly void UInt64(ulong value)
    {
        BinaryPrimitives.WriteUInt64LittleEndian(_output.GetSpan(8), value);
        _output.Advance(8);
    }

    /// <summary>Writes bytes as they are.</summary>
    /// <param name="value">The bytes.</param>
    public readonly void Raw(ReadOnlySpan<byte> value) => _output.Write(value);

    /// <summary>Writes 16 bytes, in .NET's Guid layout.</summary>
    /// <param name="value">The value.</param>
    public readonly void Guid(Guid value)
    {
        value.TryWriteBytes(_output.GetSpan(16));
        _output.Advance(16);
    }

    /// <summary>Writes a string: u16 length in bytes, UTF-8.</summary>
    /// <param name="value">The string.</param>
    /// <exception cref="ArgumentException">It is longer than <see cref="ProtocolLimits.MaxStringBytes"/>.</exception>
    public readonly void String(string value)
    {
        var bytes = Encoding.UTF8.GetByteCount(value);
        if (bytes > ProtocolLimits.MaxStringBytes)
            throw new ArgumentException($"A string of {bytes} bytes exceeds the protocol's limit of {ProtocolLimits.MaxStringBytes}.", nameof(value));
        var span = _output.GetSpan(2 + bytes);
        BinaryPrimitives.WriteUInt16LittleEndian(span, (ushort)bytes);
        Encoding.UTF8.GetBytes(value, span[2..]);
        _output.Advance(2 + bytes);
    }
}
