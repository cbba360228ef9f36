using Grid.Client;
using Grid.Node.Frontends.Nbd;
using Grid.Node.Frontends.Nbd.Origins;
using Grid.Protocol;
using Grid.Tests.Harness;
using Xunit;
using Xunit.Abstractions;

namespace Grid.Tests.Frontends.Nbd.Origins;

/// <summary>Devices with an origin on real pages: what they read is what the origin has, and the origin is asked once.</summary>
public sealed class OriginDeviceTests(NbdNode shared, ITestOutputHelper output) : NbdTest(shared, output)
{
    private const int PageSize = 4096;

    [Theory]
    [InlineData(4096, (18 << 20) + 512)]
    [InlineData(65536, 17 << 20)]
    [InlineData(16384, (16 << 20) + 1024)]
    public async Task Any_sequence_of_reads_writes_and_zeroes_through_several_devices_is_that_of_an_array(int pageBytes, int bytes)
    {
        var random = new Random(Seeds.Next(Output));
        var origin = new MemoryOrigin(bytes);
        random.NextBytes(origin.Content);
        var model = origin.Content.ToArray();
        await using var nodes = await OriginNodes.StartAsync(Shared, origin, 3, options: new PoolOptions { PageSizeBytes = pageBytes });
        for (var i = 0; i < 250; i++)
        {
            var (offset, length, device) = (0, 0, random.Next(3));
            (offset, length) = Range(random, pageBytes, bytes);
            switch (random.Next(6))
            {
                case 0 or 1:
                    var data = new byte[length];
                    random.NextBytes(data);
                    data.CopyTo(model, offset);
                    await nodes.Devices[device].WriteAsync(offset, data, default);
                    break;
                case 2:
                    model.AsSpan(offset, length).Clear();
                    await nodes.Devices[device].ZeroAsync(offset, length, keepsPages: random.Next(2) == 0, default);
                    break;
                default:
                    await nodes.AssertReadsAsync(model.AsMemory(offset, length), device, offset, $"{length} bytes at {offset}, step {i}");
                    break;
            }
        }

        for (var device = 0; device < 3; device++) await nodes.AssertReadsAsync(model, device, 0, "all of it");
        PoolAssertions.AssertSame(model, origin.Content, "the origin");
    }

    [Fact]
    public async Task Concurrent_misses_of_three_devices_read_each_page_of_the_origin_once()
    {
        const int Bytes = 24 << 20;
        var origin = new MemoryOrigin(Bytes) { BeforeRead = _ => Task.Delay(Random.Shared.Next(8)) };
        new Random(Seeds.Next(Output)).NextBytes(origin.Content);
        await using var nodes = await OriginNodes.StartAsync(Shared, origin, 3);
        await Task.WhenAll(Enumerable.Range(0, 12).Select(reader => Task.Run(async () =>
        {
            var random = new Random(reader);
            foreach (var chunk in Enumerable.Range(0, Bytes / (256 << 10)).OrderBy(_ => reader < 3 ? 0 : random.Next()))
            {
                var at = chunk * (256 << 10);
                await nodes.AssertReadsAsync(origin.Content.AsMemory(at, 256 << 10), reader % 3, at, $"chunk {chunk}");
            }
        })));
        Assert.All(origin.Reads, count => Assert.Equal(1, count));
    }

    [Fact]
    public async Task A_page_is_read_once_however_long_the_origin_takes()
    {
        var origin = new MemoryOrigin(1 << 20) { BeforeRead = _ => Task.Delay(1500) };
        var limits = new OriginLimits { CacheTimeout = TimeSpan.FromSeconds(10), RenewAfter = TimeSpan.FromMilliseconds(100), ClaimTimeout = TimeSpan.FromMilliseconds(600) };
        await using var nodes = await OriginNodes.StartAsync(Shared, origin, 3, limits);
        await Task.WhenAll(Enumerable.Range(0, 3).Select(device => nodes.ReadAsync(device, 0, 8192)));
        Assert.Equal(1, origin.Reads[0]);
    }

    [Fact]
    public async Task A_page_is_cached_again_after_its_reader_and_its_writer_have_died()
    {
        var origin = new MemoryOrigin(1 << 20);
        var limits = new OriginLimits { CacheTimeout = TimeSpan.FromSeconds(10), ClaimTimeout = TimeSpan.FromMilliseconds(300), MarkTimeout = TimeSpan.FromMilliseconds(300) };
        await using var nodes = await OriginNodes.StartAsync(Shared, origin, 2, limits);
        foreach (var (unit, mark) in new[] { (0, UnitMark.OfReader()), (1, UnitMark.OfWriter()) })
        {
            await nodes.Pool.StoreAsync(nodes.Object, UnitMap.MarkOf(unit), mark.ToPage(PageSize));
            var at = unit * UnitMap.UnitBytes;
            await Eventually.TrueAsync(
                async () =>
                {
                    await nodes.AssertReadsAsync(origin.Content.AsMemory(at, PageSize), 0, at, "the page");
                    return (await nodes.Pool.ReadAsync(nodes.Object, (uint)(at / PageSize))).Hit;
                },
                $"unit {unit} is cached",
                TimeSpan.FromSeconds(10));
            await nodes.Pool.AssertMissAsync(nodes.Object, UnitMap.MarkOf(unit));
        }
    }

    [Fact]
    public async Task What_a_writer_that_died_in_the_middle_has_written_is_read_by_others_at_once()
    {
        var dead = new TaskCompletionSource();
        var written = new TaskCompletionSource();
        var origin = new MemoryOrigin(1 << 20);
        await using var nodes = await OriginNodes.StartAsync(Shared, origin, 2);
        Assert.Equal(new byte[PageSize], await nodes.ReadAsync(1, 0, PageSize));
        await nodes.Pool.AssertHoldsAsync(nodes.Object, 0, new byte[PageSize]);
        origin.AfterWrite = async _ =>
        {
            written.TrySetResult();
            await dead.Task;
        };
        var writing = nodes.Devices[0].WriteAsync(0, PageBytes.Random(1), default).AsTask();
        await written.Task;
        for (var i = 0; i < 3; i++) await nodes.AssertReadsAsync(PageBytes.Random(1), 1, 0, "the page");
        await nodes.Pool.AssertMissAsync(nodes.Object, 0);
        dead.SetResult();
        await writing;
        await nodes.Pool.AssertHoldsAsync(nodes.Object, 0, PageBytes.Random(1));
        await nodes.Pool.AssertMissAsync(nodes.Object, UnitMap.MarkOf(0));
    }

    [Fact]
    public async Task What_was_read_before_a_write_is_not_put_after_it()
    {
        var (taken, goOn) = (new TaskCompletionSource(), new TaskCompletionSource());
        var origin = new MemoryOrigin(1 << 20);
        await using var nodes = await OriginNodes.StartAsync(Shared, origin, 2);
        origin.AfterRead = async _ =>
        {
            taken.TrySetResult();
            await goOn.Task;
        };
        var reading = nodes.ReadAsync(0, 0, PageSize);
        await taken.Task;
        origin.AfterRead = _ => Task.CompletedTask;
        // A part of a page, so that the write leaves no page that hides what the reader does.
        await nodes.Devices[1].WriteAsync(0, PageBytes.Random(1, 512), default);
        goOn.SetResult();
        Assert.Equal(new byte[PageSize], await reading);
        for (var device = 0; device < 2; device++) await nodes.AssertReadsAsync(PageBytes.Random(1, 512), device, 0, "what was written");
    }

    [Fact]
    public async Task Nobody_ever_reads_an_older_page_than_was_acknowledged_or_read_by_whomever()
    {
        const int Pages = 96, Devices = 3, Writers = 6, Readers = 9;
        var random = new Random(Seeds.Next(Output));
        Task Sometimes(long _) => Random.Shared.Next(3) == 0 ? Task.Delay(Random.Shared.Next(6)) : Task.CompletedTask;
        var origin = new MemoryOrigin(Pages * PageSize) { BeforeRead = Sometimes, AfterRead = Sometimes, BeforeWrite = Sometimes, AfterWrite = Sometimes };
        await using var nodes = await OriginNodes.StartAsync(Shared, origin, Devices);
        var known = new ulong[Pages];
        using var done = new CancellationTokenSource(TimeSpan.FromSeconds(10));
        var (reads, writes) = (0, 0);
        var writers = Enumerable.Range(0, Writers).Select(writer => Task.Run(async () =>
        {
            var choice = new Random(writer);
            var number = 0UL;
            while (!done.IsCancellationRequested)
            {
                // Pages of one writer lie among those of the others, one or two at a time, whole or in their first half.
                var page = (choice.Next(Pages / Writers) * Writers) + writer;
                var data = PageBytes.Filled(++number);
                await nodes.Devices[choice.Next(Devices)].WriteAsync((long)page * PageSize, choice.Next(3) == 0 ? data[..(PageSize / 2)] : data, default);
                Raise(ref known[page], number);
                Interlocked.Increment(ref writes);
            }
        }));
        var readers = Enumerable.Range(0, Readers).Select(reader => Task.Run(async () =>
        {
            var choice = new Random(100 + reader);
            while (!done.IsCancellationRequested)
            {
                var (page, device) = (choice.Next(Pages), choice.Next(Devices));
                var floor = Volatile.Read(ref known[page]);
                var read = await nodes.ReadAsync(device, (long)page * PageSize, PageSize);
                var found = PageBytes.NumberOf(read);
                Assert.True(found >= floor, $"page {page} is {found} through device {device}; {floor} was acknowledged, or read, before");
                Raise(ref known[page], found);
                Interlocked.Increment(ref reads);
            }
        }));
        await Task.WhenAll([.. writers, .. readers]);
        Output.WriteLine($"{writes} writes, {reads} reads, of which {origin.Reads.Sum()} pages came from the origin");
        Assert.InRange(origin.Reads.Sum(), 1, int.MaxValue);
        for (var page = 0; page < Pages; page++)
            for (var device = 0; device < Devices; device++)
                await nodes.AssertReadsAsync(origin.Content.AsMemory(page * PageSize, PageSize), device, page * PageSize, $"page {page}");
    }

    [Fact]
    public async Task Writers_of_the_same_page_through_different_devices_leave_in_the_grid_what_the_origin_has()
    {
        Task Sometimes(long _) => Task.Delay(Random.Shared.Next(4));
        var origin = new MemoryOrigin(64 << 10) { BeforeWrite = Sometimes, AfterWrite = Sometimes };
        await using var nodes = await OriginNodes.StartAsync(Shared, origin, 3);
        for (var round = 0; round < 60; round++)
        {
            await Task.WhenAll(Enumerable.Range(0, 3).Select(device => nodes.Devices[device].WriteAsync(0, PageBytes.Random((ulong)((round * 3) + device)), default).AsTask()));
            for (var device = 0; device < 3; device++) await nodes.AssertReadsAsync(origin.Content.AsMemory(0, PageSize), device, 0, $"round {round}");
        }
    }

    [Fact]
    public async Task Without_its_pool_a_device_is_read_from_its_origin_and_not_written()
    {
        var origin = new MemoryOrigin(1 << 20);
        new Random(Seeds.Next(Output)).NextBytes(origin.Content);
        await using var nodes = await OriginNodes.StartAsync(Shared, origin, 1, timeout: TimeSpan.FromSeconds(3));
        await nodes.ReadAsync(0, 0, 1 << 20);
        await Shared.Client.DestroyPoolAsync(nodes.Export.Pool);
        await nodes.AssertReadsAsync(origin.Content, 0, 0, "the device");
        var failure = await Assert.ThrowsAsync<NbdException>(() => nodes.Devices[0].WriteAsync(0, new byte[PageSize], default).AsTask());
        Assert.Contains("was not written", failure.Message);
        Assert.Equal(0, origin.Writes);
    }

    [Fact]
    public async Task What_the_pool_refuses_is_read_and_written_all_the_same()
    {
        var origin = new MemoryOrigin(1 << 20);
        var model = origin.Content.ToArray();
        await using var nodes = await OriginNodes.StartAsync(Shared, origin, 2, options: new PoolOptions { QuotaPages = 3 });
        var random = new Random(Seeds.Next(Output));
        for (var i = 0; i < 100; i++)
        {
            if (i == 60) await Shared.Client.FreezePoolAsync(nodes.Export.Pool);
            var page = random.Next(256) * PageSize;
            var data = PageBytes.Random((ulong)i);
            data.CopyTo(model, page);
            await nodes.Devices[i % 2].WriteAsync(page, data, default);
            var other = random.Next(256) * PageSize;
            await nodes.AssertReadsAsync(model.AsMemory(other, PageSize), (i + 1) % 2, other, "another page");
            await nodes.AssertReadsAsync(model.AsMemory(page, PageSize), (i + 1) % 2, page, "the page");
        }
    }

    [Fact]
    public async Task A_write_that_the_origin_fails_leaves_no_page_of_it_in_the_grid()
    {
        var origin = new MemoryOrigin(1 << 20);
        await using var nodes = await OriginNodes.StartAsync(Shared, origin, 2);
        await nodes.ReadAsync(1, 0, 64 << 10);
        origin.AfterWrite = _ => throw new NbdException(NbdError.NoSpace, "full");
        var failure = await Assert.ThrowsAsync<NbdException>(() => nodes.Devices[0].WriteAsync(0, PageBytes.Random(1), default).AsTask());
        Assert.Equal(NbdError.NoSpace, failure.Error);
        await nodes.Pool.AssertMissAsync(nodes.Object, 0);
        await nodes.Pool.AssertMissAsync(nodes.Object, UnitMap.MarkOf(0));
        await nodes.AssertReadsAsync(origin.Content.AsMemory(0, PageSize), 1, 0, "the page");
        await nodes.Devices[0].FlushAsync(default);
        Assert.Equal(1, origin.Flushes);
    }

    private static void Raise(ref ulong known, ulong value)
    {
        for (var old = Volatile.Read(ref known); old < value;)
        {
            var found = Interlocked.CompareExchange(ref known, value, old);
            if (found == old) return;
            old = found;
        }
    }

    private static (int Offset, int Length) Range(Random random, int pageBytes, int bytes)
    {
        var length = random.Next(4) switch { 0 => random.Next(1, 2000), 1 => pageBytes * random.Next(1, 5), 2 => random.Next(1, 100_000), _ => random.Next(1, 3 << 20) };
        var anchor = random.Next(4) switch { 0 => NbdExport.ObjectBytes, 1 => pageBytes * random.Next(0, 20), 2 => bytes, _ => random.Next(bytes) };
        var offset = Math.Clamp(anchor - (random.Next(3) * random.Next(0, length)), 0, bytes - length);
        return (random.Next(3) == 0 ? offset / pageBytes * pageBytes : offset, length);
    }
}
