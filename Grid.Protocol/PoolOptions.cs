namespace Grid.Protocol;

/// <summary>What a pool promises about the pages it accepted.</summary>
public enum PoolKind : byte
{
    /// <summary>A cache: any page may vanish at any time, but never comes back changed or stale.</summary>
    Ephemeral = 0,

    /// <summary>An acknowledged page is returned exactly until it is overwritten, flushed or taken.</summary>
    Persistent = 1,
}

/// <summary>Who may belong to a pool.</summary>
public enum PoolSharing : byte
{
    /// <summary>One owner. In an ephemeral private pool a get that hits removes the page (an exclusive get).</summary>
    Private = 0,

    /// <summary>Several members; the pool dies when its last member leaves. A get that hits keeps the page.</summary>
    Shared = 1,
}

/// <summary>How a pool's pages lie in memory and in the journal.</summary>
public enum PageCompression : byte
{
    /// <summary>As they are.</summary>
    None = 0,

    /// <summary>LZ4: fast.</summary>
    Lz4 = 1,

    /// <summary>Zstandard: smaller.</summary>
    Zstd = 2,
}

/// <summary>The attributes of a pool, fixed at its creation.</summary>
public sealed record PoolOptions
{
    /// <summary>The smallest page size: 4096 bytes.</summary>
    public const int MinPageSizeBytes = 4096;

    /// <summary>The largest page size: 65536 bytes.</summary>
    public const int MaxPageSizeBytes = 65536;

    /// <summary>Longest pool name, in bytes of UTF-8.</summary>
    public const int MaxNameBytes = 128;

    /// <summary>Ephemeral (the default) or persistent.</summary>
    public PoolKind Kind { get; init; } = PoolKind.Ephemeral;

    /// <summary>Private (the default) or shared.</summary>
    public PoolSharing Sharing { get; init; } = PoolSharing.Private;

    /// <summary>Bytes of a page: a power of two from 4096 (the default) to 65536.</summary>
    public int PageSizeBytes { get; init; } = MinPageSizeBytes;

    /// <summary>Compression of the stored pages; <see cref="PageCompression.None"/> by default.</summary>
    public PageCompression Compression { get; init; } = PageCompression.None;

    /// <summary>The most pages the pool may hold over the whole cluster; 0 (the default) is no quota of its own.</summary>
    public ulong QuotaPages { get; init; }

    /// <summary>Whether a get that says nothing about it removes the page it hits.</summary>
    public bool GetTakesByDefault => Kind == PoolKind.Ephemeral && Sharing == PoolSharing.Private;

    /// <summary>What is wrong with these options, or null when nothing is.</summary>
    public string? Validate()
    {
        if (!Enum.IsDefined(Kind)) return $"pool kind {(byte)Kind} is unknown (0 ephemeral, 1 persistent)";
        if (!Enum.IsDefined(Sharing)) return $"pool sharing {(byte)Sharing} is unknown (0 private, 1 shared)";
        if (!Enum.IsDefined(Compression)) return $"compression {(byte)Compression} is unknown (0 none, 1 lz4, 2 zstd)";
        if (PageSizeBytes is < MinPageSizeBytes or > MaxPageSizeBytes || !int.IsPow2(PageSizeBytes))
            return $"page size {PageSizeBytes} is not a power of two from {MinPageSizeBytes} to {MaxPageSizeBytes} bytes";
        return null;
    }

    /// <summary>What is wrong with a pool name, or null when nothing is: 1 to 128 bytes of letters, digits, '-', '_', '.', ':'.</summary>
    /// <param name="name">The name.</param>
    public static string? ValidateName(string name)
    {
        if (name.Length == 0) return "a pool's name must not be empty";
        if (name.Length > MaxNameBytes) return $"a pool's name must not exceed {MaxNameBytes} bytes, this one has {name.Length}";
        foreach (var c in name)
            if (!char.IsAsciiLetterOrDigit(c) && c is not ('-' or '_' or '.' or ':'))
                return $"a pool's name may hold ASCII letters, digits, '-', '_', '.', ':', not {Describe(c)}";
        return null;
    }

    // The text goes into logs and terminals: characters that could steer those are named, not shown.
    private static string Describe(char c) => char.IsBetween(c, ' ', '~') ? $"'{c}'" : $"U+{(int)c:X4}";
}
