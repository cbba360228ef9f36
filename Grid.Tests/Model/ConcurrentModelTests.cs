using Grid.Client;
using Grid.Protocol;
using Grid.Tests.Harness;
using Xunit;
using Xunit.Abstractions;

namespace Grid.Tests.Model;

/// <summary>Promises 5 and 6 with several clients at once.</summary>
public sealed class ConcurrentModelTests(SharedNode shared, ITestOutputHelper output) : SharedNodeTest(shared, output)
{
    private readonly int _seed = Seeds.Next(output);

    [Theory, MemberData(nameof(Kinds.All), MemberType = typeof(Kinds))]
    public async Task Promise_5_calls_that_race_on_one_handle_have_an_order(PoolKind kind, PoolSharing sharing)
    {
        const int Callers = 6;
        var calls = kind == PoolKind.Persistent ? 150 : 400;
        var name = Names.Unique("race");
        await Client.CreatePoolAsync(name, Kinds.Options(kind, sharing));
        var id = Names.Object();
        var history = new RaceHistory();
        await Task.WhenAll(Enumerable.Range(0, Callers).Select(async caller =>
        {
            await using var client = await Shared.Node.ConnectAsync();
            var pool = await client.OpenPoolAsync(name);
            var random = new Random(_seed + caller);
            for (var call = 1; call <= calls; call++) await CallAsync(pool, id, history, random, ((ulong)call * Callers) + (ulong)caller);
        }));
        Assert.Equal(Callers * calls, history.Count);
        history.Check(pagesMayVanish: false);
    }

    [Theory, MemberData(nameof(Kinds.All), MemberType = typeof(Kinds))]
    public async Task Promise_6_clients_on_handles_of_their_own_never_see_each_other(PoolKind kind, PoolSharing sharing)
    {
        const int Callers = 6;
        const uint PagesEach = 24;
        var rounds = kind == PoolKind.Persistent ? 250 : 800;
        var name = Names.Unique("disjoint");
        await Client.CreatePoolAsync(name, Kinds.Options(kind, sharing) with { Compression = PageCompression.Lz4 });
        await Task.WhenAll(Enumerable.Range(0, Callers).Select(async caller =>
        {
            await using var client = await Shared.Node.ConnectAsync();
            var pool = await client.OpenPoolAsync(name);
            var random = new Random(_seed + caller);
            var expected = new Dictionary<(int Object, uint Index), ulong>();
            for (var round = 0; round < rounds; round++)
            {
                // The objects are everybody's; the pages in them are this caller's own.
                var page = (Object: random.Next(2), Index: ((uint)random.Next((int)PagesEach) * Callers) + (uint)caller);
                var id = ObjectId.FromUInt64((ulong)page.Object);
                switch (random.Next(4))
                {
                    case 0 or 1:
                        var number = ((ulong)round * Callers) + (ulong)caller;
                        await pool.StoreAsync(id, page.Index, PageBytes.Mixed(number));
                        expected[page] = number;
                        break;
                    case 2:
                        Assert.Equal(expected.Remove(page), (await pool.FlushPageAsync(id, page.Index)).WasThere);
                        break;
                    default:
                        var mode = random.Next(2) == 0 ? GetMode.Keep : GetMode.Take;
                        if (expected.TryGetValue(page, out var known)) await pool.AssertHoldsAsync(id, page.Index, PageBytes.Mixed(known), mode);
                        else await pool.AssertMissAsync(id, page.Index, mode);
                        if (mode == GetMode.Take) expected.Remove(page);
                        break;
                }
            }

            foreach (var (page, number) in expected) await pool.AssertHoldsAsync(ObjectId.FromUInt64((ulong)page.Object), page.Index, PageBytes.Mixed(number));
        }));
    }

    [Theory, MemberData(nameof(Kinds.All), MemberType = typeof(Kinds))]
    public async Task Promise_6_a_page_that_is_overwritten_or_taken_while_it_is_read_comes_back_whole(PoolKind kind, PoolSharing sharing)
    {
        const int Clients = 4;
        const int CallersPerClient = 16;
        const int Handles = 8;
        var rounds = kind == PoolKind.Persistent ? 12 : 150;
        var name = Names.Unique("torn");
        // The largest pages take longest to copy, and there are so few handles that their frames change hands all the time.
        await Client.CreatePoolAsync(name, Kinds.Options(kind, sharing) with { PageSizeBytes = PoolOptions.MaxPageSizeBytes });
        var id = Names.Object();
        var number = 0ul;
        var hits = 0;
        await Task.WhenAll(Enumerable.Range(0, Clients).Select(async each =>
        {
            await using var client = await Shared.Node.ConnectAsync();
            var pool = await client.OpenPoolAsync(name);
            await Task.WhenAll(Enumerable.Range(0, CallersPerClient).Select(async caller =>
            {
                var random = new Random(_seed + (each * CallersPerClient) + caller);
                for (var round = 0; round < rounds; round++)
                {
                    var index = (uint)random.Next(Handles);
                    if (random.Next(2) == 0)
                    {
                        await pool.StoreAsync(id, index, PageBytes.Random((Interlocked.Increment(ref number) * Handles) + index, pool.PageSizeBytes));
                        continue;
                    }

                    var (hit, page, _) = await pool.ReadAsync(id, index, random.Next(3) == 0 ? GetMode.Take : GetMode.Keep);
                    if (!hit) continue;
                    Interlocked.Increment(ref hits);
                    Assert.Equal(index, PageBytes.NumberOf(page) % Handles);
                    PoolAssertions.AssertSame(PageBytes.Random(PageBytes.NumberOf(page), pool.PageSizeBytes), page, $"{id}/{index}");
                }
            }));
        }));
        Assert.True(hits > 0, "no get hit");
    }

    private static async Task CallAsync(Pool pool, ObjectId id, RaceHistory history, Random random, ulong number)
    {
        var start = RaceHistory.Now;
        switch (random.Next(8))
        {
            case 0 or 1 or 2:
                await pool.StoreAsync(id, 3, PageBytes.Random(number));
                history.Put(start, number);
                break;
            case 3:
                history.Flushed(start, (await pool.FlushPageAsync(id, 3)).WasThere);
                break;
            case var choice:
                var mode = choice == 4 ? GetMode.Take : GetMode.Keep;
                var (hit, page, _) = await pool.ReadAsync(id, 3, mode);
                history.Got(start, hit ? PageBytes.NumberOf(page) : null, mode == GetMode.Take);
                if (hit) PoolAssertions.AssertSame(PageBytes.Random(PageBytes.NumberOf(page)), page, "the raced page");
                break;
        }
    }
}
