namespace Grid.Node.Memory;

/// <summary>How a page's stored bytes stand for the page. The values are part of the journal's format.</summary>
public enum PageCodec : byte
{
    /// <summary>The page itself.</summary>
    Raw = 0,

    /// <summary>One LZ4 block.</summary>
    Lz4 = 1,

    /// <summary>One Zstandard frame.</summary>
    Zstd = 2,

    /// <summary>The page is one 64-bit word repeated; the stored bytes are that word, 8 bytes, little-endian.</summary>
    Same = 3,
}
