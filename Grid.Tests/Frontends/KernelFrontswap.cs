using Grid.Client.Frontends;

namespace Grid.Tests.Frontends;

/// <summary>Linux's mm/frontswap.c in a dictionary: what it holds, answers and counts, with backends that accept as long as there is room in one of them.</summary>
internal sealed class KernelFrontswap(long roomPages)
{
    private readonly SortedDictionary<(int Type, uint Offset), ulong> _pages = [];

    public bool Writethrough { get; set; }

    public bool ExclusiveGets { get; set; }

    public FrontswapCounters Counters { get; private set; }

    public IEnumerable<KeyValuePair<(int Type, uint Offset), ulong>> Pages => _pages;

    public bool Store(int type, uint offset, ulong number)
    {
        _pages.Remove((type, offset));
        var stored = _pages.Count < roomPages;
        if (stored) _pages[(type, offset)] = number;
        Counters = stored ? Counters with { SuccStores = Counters.SuccStores + 1 } : Counters with { FailedStores = Counters.FailedStores + 1 };
        return stored && !Writethrough;
    }

    public ulong? Load(int type, uint offset)
    {
        if (!_pages.TryGetValue((type, offset), out var number)) return null;
        Counters = Counters with { Loads = Counters.Loads + 1 };
        if (ExclusiveGets) _pages.Remove((type, offset));
        return number;
    }

    public void InvalidatePage(int type, uint offset)
    {
        if (_pages.Remove((type, offset))) Counters = Counters with { Invalidates = Counters.Invalidates + 1 };
    }

    public void InvalidateArea(int type)
    {
        foreach (var key in _pages.Keys.Where(key => key.Type == type).ToList()) _pages.Remove(key);
    }

    /// <summary>try_to_unuse: a page is swapped in, and then its slot is freed.</summary>
    public List<(int Type, uint Offset, ulong Number)> Shrink(int target)
    {
        var back = new List<(int, uint, ulong)>();
        foreach (var (key, number) in _pages.ToList())
        {
            if (_pages.Count <= target) break;
            _ = Load(key.Type, key.Offset);
            InvalidatePage(key.Type, key.Offset);
            back.Add((key.Type, key.Offset, number));
        }

        return back;
    }
}
