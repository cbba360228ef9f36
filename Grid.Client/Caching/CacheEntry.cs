namespace Grid.Client;

/// <summary>Where an entry's value is.</summary>
internal enum CacheEntryState : byte
{
    /// <summary>In the slot, behind the entry.</summary>
    Inline = 0,

    /// <summary>In a run of pages of the same object.</summary>
    Paged = 1,

    /// <summary>On its way into a run of pages: nobody reads it. If its writer was interrupted, whoever finds it too old flushes the run.</summary>
    Pending = 2,
}

/// <summary>What a slot holds of one key.</summary>
internal sealed record CacheEntry
{
    /// <summary>Bytes of an entry without its value.</summary>
    public const int SizeBytes = 80;

    /// <summary>How long a writer may take before what it wrote counts as left behind. Nothing wrong can be read if one takes longer: it finds its entry gone, and begins again.</summary>
    private const long AbandonedTicks = 10 * TimeSpan.TicksPerMinute;

    public required KeyHash Key { get; init; }

    /// <summary>What tells this value from every other that ever was under the key.</summary>
    public required ulong Id { get; init; }

    public required CacheEntryState State { get; init; }

    /// <summary>Of a pending entry: when its writer began, as <see cref="CacheLifetime.UsedTicks"/>.</summary>
    public required CacheLifetime Lifetime { get; init; }

    /// <summary>Bytes of the value.</summary>
    public required int Length { get; init; }

    /// <summary>The first of the value's pages, unless it is inline.</summary>
    public uint FirstPage { get; init; }

    /// <summary>The value, if it is inline. It lies in the buffer that the slot was read into.</summary>
    public ReadOnlyMemory<byte> Inline { get; init; }

    public bool IsPending => State == CacheEntryState.Pending;

    public int TakesBytes => SizeBytes + Inline.Length;

    public PageRun Run(int pageBytes) => State == CacheEntryState.Inline ? default : new PageRun(FirstPage, PagesOf(Length, pageBytes));

    /// <summary>Whether nobody needs it any more.</summary>
    public bool IsDead(long nowTicks) => IsPending ? nowTicks - Lifetime.UsedTicks > AbandonedTicks : Lifetime.IsOver(nowTicks);

    public static int PagesOf(int bytes, int pageBytes) => (int)(((long)bytes + pageBytes - 1) / pageBytes);

    public static ulong NewId() => (ulong)Random.Shared.NextInt64() << 1 ^ (ulong)Random.Shared.NextInt64();
}
