using Grid.Client.Frontends;
using Grid.Protocol;
using Grid.Tests.Harness;
using Grid.Tests.Traces;
using Xunit;
using Xunit.Abstractions;

namespace Grid.Tests.Frontends;

/// <summary>What Linux's own tmem code answered (Traces/data/FORMAT.md), asked of the frontends that stood above it: every result and every byte equal.</summary>
public sealed class FrontendTraceTests(SharedNode shared, ITestOutputHelper output) : SharedNodeTest(shared, output)
{
    [Theory, InlineData("k02_private_persistent"), InlineData("g01_one_object_20000_persistent")]
    public async Task Frontswap_answers_as_Linuxs_tmem_did(string name)
    {
        var trace = await Trace.ReadAsync(name);
        // A trace's object is a device of a pool here, its indexes the device's pages in the order in which they come up.
        var offsets = trace.GroupBy(step => (step.Pool, step.Object)).ToDictionary(
            group => group.Key, group => group.Select(step => step.Index).Distinct().Select((index, at) => (index, at)).ToDictionary(pair => pair.index, pair => (uint)pair.at));
        var frontswaps = new List<Frontswap>();
        var current = new Dictionary<int, Frontswap>();
        var types = new Dictionary<(int Pool, ObjectId Object), int>();
        var page = new byte[4096];
        foreach (var step in trace)
        {
            if (step.Op == "new_pool")
            {
                var backend = new GridSwapBackend(await NewPoolAsync(PoolKind.Persistent, PoolSharing.Private), new GridSwapOptions { StoreTimeout = TimeSpan.FromSeconds(60) });
                frontswaps.Add(current[step.Pool] = new Frontswap([backend]));
                foreach (var known in types.Keys.Where(known => known.Pool == step.Pool).ToList()) types.Remove(known);
                continue;
            }

            if (step.Op == "destroy_pool") continue;
            var frontswap = current[step.Pool];
            var key = (step.Pool, step.Object);
            var pages = offsets[key];
            if (!types.TryGetValue(key, out var type))
            {
                types.Add(key, type = types.Keys.Count(known => known.Pool == step.Pool));
                await frontswap.InitAsync(type, (uint)pages.Count);
            }

            var offset = pages[step.Index];
            switch (step.Op)
            {
                case "put":
                    Assert.True(await frontswap.StoreAsync(type, offset, TraceStep.PageOf(step.Data!.Value)) == step.Result, step.ToString());
                    break;
                case "get":
                    Assert.True(await frontswap.LoadAsync(type, offset, page) == step.Found.HasValue, step.ToString());
                    if (step.Found is { } data) PoolAssertions.AssertSame(TraceStep.PageOf(data), page, step.ToString());
                    break;
                case "flush_page":
                    Assert.True(frontswap.Test(type, offset) == step.Result, step.ToString());
                    await frontswap.InvalidatePageAsync(type, offset);
                    break;
                case "flush_object":
                    Assert.True(Enumerable.Range(0, pages.Count).Any(at => frontswap.Test(type, (uint)at)) == step.Result, step.ToString());
                    await frontswap.InvalidateAreaAsync(type);
                    break;
                default:
                    Assert.Fail($"{step}: the trace has an operation that frontswap has not");
                    break;
            }
        }

        Assert.Equal(trace.Count(step => step.Op == "put"), frontswaps.Sum(frontswap => frontswap.Counters.SuccStores));
        Assert.Equal(trace.Count(step => step.Op == "get" && step.Found.HasValue), frontswaps.Sum(frontswap => frontswap.Counters.Loads));
        Assert.Equal(trace.Count(step => step.Op == "flush_page" && step.Result), frontswaps.Sum(frontswap => frontswap.Counters.Invalidates));
        // The last life of the pool ends with a flush of every object.
        Assert.Equal(0, frontswaps[^1].CurrentPages);
    }

    [Theory, InlineData("k01_private_ephemeral"), InlineData("k03_shared_ephemeral")]
    public async Task Cleancache_answers_as_Linuxs_tmem_did(string name)
    {
        var trace = await Trace.ReadAsync(name);
        var cleancache = new Cleancache(Client, new CleancacheOptions { CacheTimeout = TimeSpan.FromSeconds(30) });
        var mounts = new Dictionary<int, CleancacheFileSystem>();
        var page = new byte[4096];
        foreach (var step in trace)
        {
            switch (step.Op)
            {
                case "new_pool":
                    mounts[step.Pool] = step.Shared ? await cleancache.InitSharedFsAsync(Guid.NewGuid()) : await cleancache.InitFsAsync(Names.Unique("trace"));
                    break;
                case "put":
                    await mounts[step.Pool].PutPageAsync(step.Object, step.Index, TraceStep.PageOf(step.Data!.Value));
                    break;
                case "get":
                    Assert.True(await mounts[step.Pool].GetPageAsync(step.Object, step.Index, page) == step.Found.HasValue, step.ToString());
                    if (step.Found is { } data) PoolAssertions.AssertSame(TraceStep.PageOf(data), page, step.ToString());
                    break;
                case "flush_page":
                    await mounts[step.Pool].InvalidatePageAsync(step.Object, step.Index);
                    break;
                case "flush_object":
                    await mounts[step.Pool].InvalidateInodeAsync(step.Object);
                    break;
                case "destroy_pool":
                    await mounts[step.Pool].InvalidateFsAsync();
                    break;
                default:
                    Assert.Fail($"{step}: the trace has an operation that cleancache has not");
                    break;
            }
        }

        Assert.Equal(
            new CleancacheCounters(
                SuccGets: trace.Count(step => step.Op == "get" && step.Found.HasValue),
                FailedGets: trace.Count(step => step.Op == "get" && !step.Found.HasValue),
                Puts: trace.Count(step => step.Op == "put"),
                Invalidates: trace.Count(step => step.Op == "flush_page")),
            cleancache.Counters);
    }
}
