using Grid.Node.Memory;
using Grid.Node.Objects;
using Grid.Protocol;
using Xunit;

namespace Grid.Tests.Simulation;

/// <summary>
/// A node's memory and journals without network, actors and database, in one thread: some persistent objects and an ephemeral pool share a page store with far too little memory, write, read, clean their journals, and die at
/// every boundary of two events. All that happens follows from the seed.
/// </summary>
internal sealed class StoreSimulation : IDisposable
{
    private const int Objects = 24;
    private const uint PagesOfAnObject = 24;
    private const int NoisePages = 4096;
    private const int NoiseBurst = 8;

    /// <summary>Leaves a few slabs for many more size classes that want one.</summary>
    private const long ReservedBytes = 6 << 20;

    private static readonly PageCompression[] Compressions = [PageCompression.None, PageCompression.Lz4, PageCompression.Zstd];

    private readonly Random _random;
    private readonly SimulatedObject[] _objects;
    private readonly (PageRef Page, ulong Number)[] _noise = new (PageRef, ulong)[NoisePages];
    private readonly List<(PageRef Page, ulong Number)> _pinned = [];
    private readonly byte[] _page = new byte[SimulatedObject.PageBytes];
    private PageStore _store = null!;
    private CleaningTurns _turns = null!;
    private PoolAccount _noiseAccount = null!;
    private ulong _number;

    public StoreSimulation(int seed)
    {
        _random = new Random(seed);
        _objects = [.. Enumerable.Range(0, Objects).Select(i => new SimulatedObject(new ObjectKey(new PoolId(1), new ObjectId((ulong)i, 7, 9)), Compressions[i % Compressions.Length]))];
        StartNode();
    }

    public IReadOnlyList<SimulatedObject> Persistent => _objects;

    /// <summary>Steps so far.</summary>
    public long Steps { get; private set; }

    /// <summary>Deaths of the node.</summary>
    public long Crashes { get; private set; }

    /// <summary>Pages dropped for want of memory.</summary>
    public long Evictions { get; private set; }

    /// <summary>Ephemeral pages found, and found evicted.</summary>
    public (long Hits, long Gone) Noise { get; private set; }

    public void Step()
    {
        Steps++;
        var target = _objects[_random.Next(Objects)];
        target.Wait(_random.Next(40));
        switch (_random.Next(1000))
        {
            case < 200:
                Write(target, WriteEnd.Applied);
                break;
            case < 203:
                target.FlushObject(WriteEnd.Applied);
                break;
            case < 480:
                target.Get(NextIndex());
                break;
            case < 500:
                target.BeginRead(NextIndex());
                break;
            case < 530:
                target.EndRead();
                break;
            case < 640:
                target.Upkeep();
                break;
            case < 643:
                target.Upkeep(isKnown: false, isApplied: _random.Next(2) == 0);
                break;
            case < 645:
                target.FailReads();
                break;
            case < 790:
                target.Receive();
                break;
            case < 840:
                target.DeleteRows(_random.Next(1, 8));
                break;
            case < 980:
                MakeNoise();
                break;
            case < 990:
                PinOrUnpin();
                break;
            case < 999:
                target.Stop();
                target.Recover(_store, _turns);
                break;
            default:
                if (_random.Next(4) == 0) Crash(target);
                break;
        }
    }

    /// <summary>Everything is there, and nothing but what is there takes memory.</summary>
    public void End()
    {
        foreach (var one in _objects)
        {
            one.EndRead();
            one.AssertHoldsAll();
        }

        Unpin();
        foreach (var one in _objects) one.Stop();
        for (var i = 0; i < _noise.Length; i++) FreeNoise(i);
        var stats = _store.Stats;
        Assert.Equal((0, 0L), ((int)stats.FramesUsed, stats.Pages));
        Assert.Equal(ReservedBytes, stats.ReservedBytes);
        Evictions += stats.Evictions;
    }

    public void Dispose() => _store.Dispose();

    private void StartNode()
    {
        _store = new PageStore(new PageStoreOptions(PageStoreOptions.MinLimitBytes));
        _store.Reserve(ReservedBytes);
        _turns = new CleaningTurns(2);
        _noiseAccount = new PoolAccount(new PoolId(2), PageCompression.Lz4, SimulatedObject.PageBytes, isEvictable: true);
        Array.Clear(_noise);
        foreach (var one in _objects) one.Recover(_store, _turns);
    }

    /// <summary>The node dies, perhaps with a write of an object under way, and starts again on the journals.</summary>
    private void Crash(SimulatedObject target)
    {
        Crashes++;
        if (_random.Next(3) is not 0 and var end) Write(target, end == 1 ? WriteEnd.LostBefore : WriteEnd.LostBehind);
        Evictions += _store.Stats.Evictions;
        _pinned.Clear();
        _store.Dispose();
        StartNode();
    }

    private void Write(SimulatedObject target, WriteEnd end)
    {
        // Mostly one page, sometimes a batch that has a handle twice.
        Span<(uint, ulong)> entries = stackalloc (uint, ulong)[_random.Next(4) == 0 ? _random.Next(2, 24) : 1];
        foreach (ref var entry in entries) entry = (NextIndex(), _random.Next(5) == 0 ? 0 : ++_number);
        target.Write(entries, end);
    }

    private uint NextIndex() => (uint)_random.Next((int)PagesOfAnObject);

    private void MakeNoise()
    {
        for (var i = 0; i < NoiseBurst; i++) MakeNoise(_random.Next(NoisePages));
    }

    /// <summary>An ephemeral page is looked at, and another put in its place.</summary>
    private void MakeNoise(int place)
    {
        var (page, number) = _noise[place];
        if (!page.IsNone)
        {
            if (_store.TryPin(page))
            {
                _store.CopyTo(page, _page);
                _store.Unpin(page);
                Assert.True(PageText.Is(number, _page), $"an ephemeral page is not the one with number {number}");
                Noise = (Noise.Hits + 1, Noise.Gone);
            }
            else
            {
                Noise = (Noise.Hits, Noise.Gone + 1);
            }
        }

        FreeNoise(place);
        PageText.Write(++_number, _page);
        if (!_store.TryStore(_noiseAccount, _page, out page)) return;
        _store.Publish(page, evictable: true);
        _noise[place] = (page, _number);
    }

    private void FreeNoise(int place)
    {
        _store.Free(_noise[place].Page);
        _noise[place] = default;
    }

    /// <summary>An answer on its way keeps its page, whatever becomes of the handle meanwhile.</summary>
    private void PinOrUnpin()
    {
        if (_pinned.Count > 4)
        {
            Unpin();
            return;
        }

        var (page, number) = _noise[_random.Next(NoisePages)];
        if (!page.IsNone && !page.IsSameFilled && _store.TryPin(page)) _pinned.Add((page, number));
    }

    private void Unpin()
    {
        foreach (var (page, number) in _pinned)
        {
            _store.CopyTo(page, _page);
            Assert.True(PageText.Is(number, _page), $"a pinned page is not the one with number {number} any more");
            _store.Unpin(page);
        }

        _pinned.Clear();
    }
}
