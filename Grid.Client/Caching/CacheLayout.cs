using Grid.Protocol;

namespace Grid.Client;

/// <summary>A slot's place: the page that holds the entries of all keys that hash onto it.</summary>
internal readonly record struct SlotAddress(ObjectId Object, uint Index);

/// <summary>A key and where its entry is.</summary>
internal readonly record struct CacheKey(KeyHash Hash, SlotAddress At);

/// <summary>Consecutive pages of a value that does not fit into its slot.</summary>
internal readonly record struct PageRun(uint First, int Count)
{
    public uint this[int page] => First + (uint)page;

    /// <summary>A run at a random place. Whoever puts into it looks whether it is free, and puts on the condition that it still is.</summary>
    /// <param name="pages">Its pages.</param>
    /// <param name="roomBits">How many pages there is room for: a power of two.</param>
    public static PageRun Random(int pages, int roomBits) => new(CacheLayout.FirstValueIndex + (uint)System.Random.Shared.NextInt64((1L << roomBits) - pages + 1), pages);

    public PageRun Part(int from, int count) => new(this[from], count);

    public bool Contains(uint index) => index >= First && index - First < (uint)Count;
}

/// <summary>
/// Where things are in a cache's pool. Keys are spread over a fixed number of objects by their hash; the lower half of an object's indexes are slots, chosen by the hash too, the upper half are
/// values' pages, anywhere. Object ids carry the number of objects and the format: caches that differ in them do not see each other.
/// </summary>
internal sealed class CacheLayout(int objects, int slotBits, string instance)
{
    /// <summary>Where values' pages begin.</summary>
    public const uint FirstValueIndex = 1u << 31;

    /// <summary>"GridCach", format 1.</summary>
    private const ulong Format = 0x6863_6143_6469_7247 + 1;

    private readonly uint _slotMask = (uint)((1ul << slotBits) - 1);

    public int Objects => objects;

    /// <summary>The object whose page 0 says who looked for garbage last.</summary>
    public ObjectId Control => Id(uint.MaxValue);

    public CacheKey Locate(CacheDomain domain, string key)
    {
        var hash = KeyHash.Of(domain, instance, key);
        return new CacheKey(hash, new SlotAddress(Object((int)(hash.Word0 % (uint)objects)), (uint)hash.Word1 & _slotMask));
    }

    public ObjectId Object(int number) => Id((uint)number);

    private ObjectId Id(uint number) => new(number, (uint)objects, Format);
}
