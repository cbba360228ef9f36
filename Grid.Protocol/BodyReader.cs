using System.Buffers;
using System.Text;

namespace Grid.Protocol;

/// <summary>Reads the body of a control frame. Every read past its end is a <see cref="ProtocolException"/>.</summary>
/// <param name="body">The body.</param>
public ref struct BodyReader(ReadOnlySequence<byte> body)
{
    private static readonly UTF8Encoding Strict = new(false, throwOnInvalidBytes: true);
    private SequenceReader<byte> _reader = new(body);

    /// <summary>Bytes not read yet.</summary>
    public readonly long Remaining => _reader.Remaining;

    /// <summary>Reads a byte.</summary>
    public byte Byte() => _reader.TryRead(out var value) ? value : throw Short();

    /// <summary>Reads 2 bytes.</summary>
    public ushort UInt16() => _reader.TryReadLittleEndian(out short value) ? unchecked((ushort)value) : throw Short();

    /// <summary>Reads 4 bytes.</summary>
    public uint UInt32() => _reader.TryReadLittleEndian(out int value) ? unchecked((uint)value) : throw Short();

    /// <summary>Reads 8 bytes.</summary>
    public ulong UInt64() => _reader.TryReadLittleEndian(out long value) ? unchecked((ulong)value) : throw Short();

    /// <summary>Reads 16 bytes, in .NET's Guid layout.</summary>
    public Guid Guid()
    {
        Span<byte> bytes = stackalloc byte[16];
        if (!_reader.TryCopyTo(bytes)) throw Short();
        _reader.Advance(16);
        return new Guid(bytes);
    }

    /// <summary>Reads a string: u16 length in bytes, UTF-8.</summary>
    /// <exception cref="ProtocolException">It is longer than <see cref="ProtocolLimits.MaxStringBytes"/>, ends too soon, or is no UTF-8.</exception>
    public string String()
    {
        var length = UInt16();
        if (length > ProtocolLimits.MaxStringBytes) throw new ProtocolException($"a string of {length} bytes exceeds the limit of {ProtocolLimits.MaxStringBytes}");
        if (!_reader.TryReadExact(length, out var bytes)) throw Short();
        try
        {
            return Strict.GetString(bytes);
        }
        catch (DecoderFallbackException)
        {
            throw new ProtocolException("a string is not valid UTF-8");
        }
    }

    /// <summary>Reads a count of entries and checks that the body can hold them, so that nothing is allocated for a lie.</summary>
    /// <param name="minEntryBytes">The least bytes an entry takes; at least 1.</param>
    /// <exception cref="ProtocolException">The rest of the body cannot hold so many.</exception>
    public int Count(int minEntryBytes)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(minEntryBytes, 1);
        var count = UInt32();
        if (count * (ulong)minEntryBytes > (ulong)_reader.Remaining) throw new ProtocolException($"a list of {count} entries does not fit its frame");
        return (int)count;
    }

    /// <summary>Reads bytes as they are.</summary>
    /// <param name="count">How many.</param>
    /// <exception cref="ProtocolException">There are not so many.</exception>
    public byte[] Raw(int count)
    {
        var bytes = new byte[count];
        if (!_reader.TryCopyTo(bytes)) throw Short();
        _reader.Advance(count);
        return bytes;
    }

    /// <summary>Passes over what is left: content that a later version appended.</summary>
    public void SkipRest() => _reader.AdvanceToEnd();

    /// <summary>Checks that everything was read.</summary>
    /// <exception cref="ProtocolException">Bytes are left.</exception>
    public readonly void End()
    {
        if (_reader.Remaining != 0) throw new ProtocolException($"{_reader.Remaining} bytes too many at the end of the frame");
    }

    private static ProtocolException Short() => new("the frame ends before its content does");
}
