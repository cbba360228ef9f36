using System.Buffers;
using Grid.Protocol;

namespace Grid.Tests.Protocol;

/// <summary>Writes and reads bodies of control frames in one line.</summary>
internal static class Bodies
{
    public delegate void Writing(ref BodyWriter writer);

    public delegate T Reading<out T>(ref BodyReader reader);

    /// <summary>The bytes that a writing makes.</summary>
    public static byte[] Write(Writing writing)
    {
        var output = new ArrayBufferWriter<byte>();
        var writer = new BodyWriter(output);
        writing(ref writer);
        return output.WrittenSpan.ToArray();
    }

    /// <summary>What a reading finds; every byte must be read.</summary>
    public static T Read<T>(ReadOnlySequence<byte> body, Reading<T> reading)
    {
        var reader = new BodyReader(body);
        var value = reading(ref reader);
        reader.End();
        return value;
    }

    /// <summary>What a reading finds; every byte must be read.</summary>
    public static T Read<T>(byte[] body, Reading<T> reading) => Read(new ReadOnlySequence<byte>(body), reading);
}
