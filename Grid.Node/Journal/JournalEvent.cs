namespace Grid.Node.Journal;

/// <summary>A made event: the bytes that go to the journal as they are.</summary>
/// <param name="bytes">The bytes; kept, not copied, and not to be changed any more.</param>
public sealed class JournalEvent(byte[] bytes)
{
    /// <summary>The bytes.</summary>
    public ReadOnlyMemory<byte> Bytes => bytes;

    internal byte[] Array => bytes;
}
