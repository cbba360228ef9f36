namespace Grid.Bench.Harness;

/// <summary>
/// The keys and what is stored under them: pages, random unless others are given, each different. Key k holds page (k + salt) modulo their number; a new salt for every put round
/// makes puts overwrite with other bytes.
/// </summary>
internal sealed class Payload
{
    /// <summary>Bytes of a page.</summary>
    public const int PageBytes = 4096;

    /// <summary>Keys: 16384, 64 MiB of pages.</summary>
    public const int Keys = 16384;

    /// <summary>Pages of a group, which a batch moves.</summary>
    public const int PagesPerGroup = 64;

    /// <summary>Groups.</summary>
    public const int Groups = Keys / PagesPerGroup;

    /// <summary>Different pages.</summary>
    public const int DistinctPages = 4099;

    private readonly byte[] _bytes;

    /// <summary>Makes random pages.</summary>
    public Payload()
        : this(new byte[DistinctPages * PageBytes]) => new Random(20240229).NextBytes(_bytes);

    /// <summary>Stores given pages.</summary>
    /// <param name="pages">The bytes of as many pages as there are different ones.</param>
    public Payload(byte[] pages) => _bytes = pages.Length == DistinctPages * PageBytes ? pages : throw new ArgumentException("There must be one page after the other.", nameof(pages));

    /// <summary>What puts store now.</summary>
    public int Salt { get; private set; }

    /// <summary>Makes later puts store other bytes.</summary>
    public void NextSalt() => Salt++;

    /// <summary>The page of a key.</summary>
    /// <param name="key">The key.</param>
    /// <param name="salt">The salt.</param>
    public ReadOnlyMemory<byte> Page(int key, int salt) => _bytes.AsMemory((key + salt) % DistinctPages * PageBytes, PageBytes);

    /// <summary>The page that a put stores under a key now.</summary>
    /// <param name="key">The key.</param>
    public ReadOnlyMemory<byte> Page(int key) => Page(key, Salt);

    /// <summary>Whether bytes are what some put so far stored under a key.</summary>
    /// <param name="key">The key.</param>
    /// <param name="bytes">The bytes.</param>
    public bool IsPageOf(int key, ReadOnlySpan<byte> bytes)
    {
        for (var salt = Salt; salt >= 0; salt--)
            if (bytes.SequenceEqual(Page(key, salt).Span))
                return true;
        return false;
    }
}
