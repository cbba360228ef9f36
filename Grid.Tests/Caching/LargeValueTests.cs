using System.Buffers;
using System.Buffers.Binary;
using Grid.Client;
using Grid.Protocol;
using Grid.Tests.Harness;
using Xunit;
using Xunit.Abstractions;

namespace Grid.Tests.Caching;

/// <summary>Values of every size: in the slot, in one batch with it, in many; read whole or not at all, whoever writes meanwhile; and nothing stays of what they replaced.</summary>
public sealed class LargeValueTests(SharedNode shared, ITestOutputHelper output) : CacheTest(shared, output)
{
    /// <summary>Page sizes, and around each limit: what is in the slot, the pages of one batch beside the slot, of two, and more.</summary>
    public static TheoryData<int, int> Sizes()
    {
        var sizes = new TheoryData<int, int>();
        foreach (var page in (int[])[4096, 65536])
        {
            var batch = Math.Min(256, (1 << 20) / page);
            int[] limits = [CacheSlot.InlineMaxBytes(page), page, page * (batch - 1), page * (2 * batch - 2), page * (3 * batch - 2)];
            foreach (var size in limits.SelectMany(limit => (int[])[limit, limit + 1])) sizes.Add(page, size);
            sizes.Add(page, (5 << 20) + 17);
        }

        return sizes;
    }

    [Theory]
    [MemberData(nameof(Sizes))]
    public async Task A_value_of_any_size_is_got_as_it_was_set_and_takes_the_pages_it_needs(int pageBytes, int bytes)
    {
        var cache = NewCache(options => options.NewPool = Shareable(PoolKind.Ephemeral, pageBytes));
        var inPages = bytes <= CacheSlot.InlineMaxBytes(pageBytes) ? 0 : (bytes + pageBytes - 1) / pageBytes;
        await cache.SetAsync("k", Value(1, bytes), Forever);
        AssertEqual(Value(1, bytes), await cache.GetAsync("k"));
        Assert.Equal(1 + inPages, await PagesAsync());

        // In several segments, over the old one.
        await cache.SetAsync("k", InSegments(Value(2, bytes), 1000), Forever);
        var read = new ArrayBufferWriter<byte>();
        Assert.True(await cache.TryGetAsync("k", read));
        AssertEqual(Value(2, bytes), read.WrittenSpan.ToArray());
        Assert.Equal(1 + inPages, await PagesAsync());

        await cache.SetAsync("k", [1], Forever);
        Assert.Equal(1, await PagesAsync());
        await cache.SetAsync("k", Value(3, bytes), Forever);
        await cache.RemoveAsync("k");
        Assert.Equal(0, await PagesAsync());
    }

    [Fact]
    public async Task A_value_longer_than_allowed_is_refused_with_both_numbers()
    {
        var cache = NewCache(options => options.MaxValueBytes = 1000);
        await cache.SetAsync("k", new byte[1000], Forever);
        var failure = await Assert.ThrowsAsync<ArgumentException>(() => cache.SetAsync("k", new byte[1001], Forever));
        Assert.Contains("1001 bytes, MaxValueBytes allows 1000", failure.Message, StringComparison.Ordinal);
        Assert.Equal(1000, (await cache.GetAsync("k"))!.Length);
    }

    [Theory]
    [InlineData(PoolKind.Ephemeral)]
    [InlineData(PoolKind.Persistent)]
    public async Task Nobody_reads_a_torn_or_mixed_value_however_many_write(PoolKind kind)
    {
        const int Writers = 4;
        const int Readers = 3;
        const int Rounds = 12;
        // In the slot, in one batch, in two, in three: each write is likely to replace one of another sort.
        int[] sizes = [100, 30_000, 1_500_000, 2_600_000];
        var caches = Enumerable.Range(0, 3).Select(_ => NewCache(options => options.NewPool = Shareable(kind))).ToArray();
        await caches[0].SetAsync("k", Stamped(0, 100), Forever);
        using var done = new CancellationTokenSource();
        var reads = 0;
        var sizesSeen = new HashSet<int>();
        var readers = Enumerable.Range(0, Readers).Select(reader => Task.Run(async () =>
        {
            while (!done.IsCancellationRequested)
            {
                var value = await caches[reader % caches.Length].GetAsync("k");
                Assert.NotNull(value);
                AssertWhole(value);
                Interlocked.Increment(ref reads);
                lock (sizesSeen) sizesSeen.Add(value.Length);
            }
        })).ToArray();
        await Task.WhenAll(Enumerable.Range(0, Writers).Select(writer => Task.Run(async () =>
        {
            for (var round = 0; round < Rounds; round++)
                await caches[writer % caches.Length].SetAsync("k", Stamped((writer * Rounds) + round + 1, sizes[(writer + round) % sizes.Length]), Forever);
        })));
        await done.CancelAsync();
        await Task.WhenAll(readers);
        Output.WriteLine($"{Writers * Rounds} writes, {reads} reads, sizes seen {string.Join(' ', sizesSeen)}");
        Assert.True(sizesSeen.Count > 1, "no reader saw a change: the run shows nothing");
        var last = await caches[0].GetAsync("k");
        AssertWhole(last!);
        await caches[0].RemoveAsync("k");
        Assert.Equal(0, await PagesAsync());
    }

    [Fact]
    public async Task Values_that_are_in_each_other_s_way_find_room_elsewhere()
    {
        // Room for 4096 pages, of which all values together take about a third: every other place that is tried is taken.
        static void Narrow(GridCacheOptions options)
        {
            options.Objects = 1;
            options.ValueBits = 12;
        }

        int[] sizes = [20_000, 300_000, 1_000_000, 1_300_000];
        var caches = Enumerable.Range(0, 2).Select(_ => NewCache(Narrow)).ToArray();
        await Task.WhenAll(Enumerable.Range(0, 8).Select(async writer =>
        {
            for (var round = 0; round < 15; round++)
            {
                var value = Value((writer * 100) + round, sizes[(writer + round) % sizes.Length]);
                await caches[writer % 2].SetAsync($"k{writer}", value, Forever);
                AssertEqual(value, await caches[(writer + 1) % 2].GetAsync($"k{writer}"));
            }
        }));
        for (var writer = 0; writer < 8; writer++) AssertEqual(Value((writer * 100) + 14, sizes[(writer + 14) % sizes.Length]), await caches[0].GetAsync($"k{writer}"));
        for (var writer = 0; writer < 8; writer++) await caches[0].RemoveAsync($"k{writer}");
        Assert.Equal(0, await PagesAsync());
    }

    [Fact]
    public async Task A_value_that_lost_a_page_is_a_miss_and_the_rest_of_it_goes()
    {
        var cache = NewCache();
        await cache.SetAsync("k", Value(1, 100_000), Forever);
        var pool = await Client.OpenPoolAsync(PoolName);
        await foreach (var item in pool.ListObjectsAsync())
            await foreach (var piece in pool.ListPagesAsync(item.Id, CacheLayout.FirstValueIndex)) await pool.FlushPageAsync(item.Id, piece.Indexes[^2]);
        Assert.Null(await cache.GetAsync("k"));
        Assert.Equal(0, await PagesAsync());
        await cache.SetAsync("k", Value(2, 100_000), Forever);
        Assert.Equal(Value(2, 100_000), await cache.GetAsync("k"));
    }

    [Fact]
    public async Task In_a_pool_that_is_too_small_every_value_is_whole_or_a_miss()
    {
        const int Values = 60;
        const int Bytes = 2_000_000;
        await using var node = await NodeProcess.StartAsync(NodeSetup.WithMemoryLimit(96), Output);
        await using var cache = new GridDistributedCache(new GridCacheOptions
        {
            ConnectionString = node.ConnectionString(),
            Objects = 16,
            NewPool = Shareable(PoolKind.Ephemeral),
        });
        for (var i = 0; i < Values; i++) await cache.SetAsync($"k{i}", Stamped(i, Bytes), Forever);
        var hits = 0;
        for (var i = Values - 1; i >= 0; i--)
        {
            if (await cache.GetAsync($"k{i}") is not { } value) continue;
            Assert.Equal(i, BinaryPrimitives.ReadInt32LittleEndian(value));
            AssertWhole(value);
            hits++;
        }

        Output.WriteLine($"{hits} of {Values} values of {Bytes} bytes are there");
        Assert.True(hits is > 0 and < Values, $"{hits} of {Values} are there: nothing was evicted, or everything");
    }

    private static ReadOnlySequence<byte> InSegments(byte[] bytes, int segmentBytes)
    {
        var first = new Segment(bytes.AsMemory(0, Math.Min(segmentBytes, bytes.Length)), 0);
        var last = first;
        for (var at = segmentBytes; at < bytes.Length; at += segmentBytes) last = last.Then(bytes.AsMemory(at, Math.Min(segmentBytes, bytes.Length - at)));
        return new ReadOnlySequence<byte>(first, 0, last, last.Memory.Length);
    }

    /// <summary>A value of which every eight bytes say whose they are and where.</summary>
    private static byte[] Stamped(int number, int bytes)
    {
        var value = new byte[bytes];
        for (var at = 0; at + 8 <= bytes; at += 8)
        {
            BinaryPrimitives.WriteInt32LittleEndian(value.AsSpan(at), number);
            BinaryPrimitives.WriteInt32LittleEndian(value.AsSpan(at + 4), at);
        }

        return value;
    }

    private static void AssertEqual(byte[] expected, byte[]? actual) => Assert.True(expected.AsSpan().SequenceEqual(actual), $"other bytes, or another number than {expected.Length}");

    private static void AssertWhole(byte[] value)
    {
        var number = BinaryPrimitives.ReadInt32LittleEndian(value);
        Assert.True(Stamped(number, value.Length).AsSpan().SequenceEqual(value), $"the value that begins as number {number} with {value.Length} bytes is torn or mixed");
    }

    private sealed class Segment : ReadOnlySequenceSegment<byte>
    {
        public Segment(ReadOnlyMemory<byte> memory, long at)
        {
            Memory = memory;
            RunningIndex = at;
        }

        public Segment Then(ReadOnlyMemory<byte> memory)
        {
            var next = new Segment(memory, RunningIndex + Memory.Length);
            Next = next;
            return next;
        }
    }
}
