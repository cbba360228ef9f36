using System.Buffers.Binary;
using System.Collections.Concurrent;
using Grid.Client;
using Grid.Client.Frontends;
using Grid.Protocol;
using Grid.Tests.Harness;
using Xunit;
using Xunit.Abstractions;

namespace Grid.Tests.Frontends;

/// <summary>Several readers and writers of one file in several clients: nobody reads an old page.</summary>
public sealed class CachedFileWriterTests(OwnNode own, ITestOutputHelper output) : OwnNodeTest(own, output)
{
    private static readonly CachedFileOptions Patient = new() { CacheTimeout = TimeSpan.FromSeconds(60), FetchPages = 4, InvalidateTimeout = TimeSpan.FromSeconds(60) };

    [Fact]
    public async Task A_writers_change_is_read_by_all_as_soon_as_the_write_has_returned()
    {
        await using var bed = await Bed.StartAsync(Node, 3);
        await bed.Origin.WriteAsync(0, new byte[200_000], default);
        for (var number = 1ul; number <= 60; number++)
        {
            var offset = (long)(number * 7919 % 190_000);
            await bed.Files[(int)(number % 3)].WriteAsync(offset, PageBytes.Random(number));
            foreach (var file in bed.Files)
            {
                var page = new byte[4096];
                Assert.Equal(4096, await file.ReadAsync(offset, page));
                PoolAssertions.AssertSame(PageBytes.Random(number), page, $"write {number} at {offset}");
            }
        }

        Assert.True(bed.Files.Sum(file => file.Counters.Hits) > 60, string.Join('\n', bed.Files.Select(file => file.Counters)));
    }

    [Fact]
    public async Task What_a_reader_fetched_before_a_write_is_not_put_after_it()
    {
        await using var bed = await Bed.StartAsync(Node, 2);
        await bed.Origin.WriteAsync(0, PageBytes.Random(1), default);
        var slow = new GatedOrigin(FileOrigin.OpenWrite(bed.Path));
        await using var reader = await CachedFile.OpenAsync(await bed.Clients[0].OpenPoolAsync(bed.PoolName), slow, Patient);
        slow.Gate = new TaskCompletionSource();
        var read = reader.ReadAsync(0, new byte[4096]).AsTask();
        await slow.Reached.Task.WaitAsync(TimeSpan.FromSeconds(90));
        // It has missed, read the old bytes, and is about to put them.
        await bed.Files[1].WriteAsync(0, PageBytes.Random(2));
        slow.Gate.SetResult();
        await read;
        Assert.Equal((0L, 1L), (reader.Counters.PagesPut, reader.Counters.PagesNotPut));
        foreach (var file in bed.Files)
        {
            var page = new byte[4096];
            await file.ReadAsync(0, page);
            PoolAssertions.AssertSame(PageBytes.Random(2), page, "page 0");
        }
    }

    [Fact]
    public async Task While_a_write_is_under_way_nothing_of_its_segment_is_cached_also_where_the_writer_never_ends()
    {
        await using var bed = await Bed.StartAsync(Node, 2);
        await bed.Origin.WriteAsync(0, PageBytes.Random(1), default);
        var page = new byte[4096];
        await bed.Files[1].ReadAsync(0, page);
        var put = bed.Files[1].Counters.PagesPut;
        Assert.True(put > 0, "nothing was cached that could get old");
        var stuck = new GatedOrigin(FileOrigin.OpenWrite(bed.Path)) { Gate = new TaskCompletionSource() };
        await using var writer = await CachedFile.OpenAsync(await bed.Clients[0].OpenPoolAsync(bed.PoolName), stuck, Patient);
        var write = writer.WriteAsync(0, PageBytes.Random(2)).AsTask();
        await stuck.Reached.Task.WaitAsync(TimeSpan.FromSeconds(90));
        await bed.Files[1].ReadAsync(0, page);
        PoolAssertions.AssertSame(PageBytes.Random(1), page, "not yet written");
        // The bytes arrive, and the writer does not say so any more.
        await bed.Origin.WriteAsync(0, PageBytes.Random(2), default);
        for (var round = 0; round < 5; round++)
        {
            await bed.Files[1].ReadAsync(0, page);
            PoolAssertions.AssertSame(PageBytes.Random(2), page, "written");
        }

        Assert.Equal(put, bed.Files[1].Counters.PagesPut);
        // Another's write of the segment goes its whole way, and then it is cached again.
        await bed.Files[0].WriteAsync(100, PageBytes.Random(3));
        await bed.Files[1].ReadAsync(100, page);
        PoolAssertions.AssertSame(PageBytes.Random(3), page, "written over");
        Assert.True(bed.Files[1].Counters.PagesPut > put, bed.Files[1].Counters.ToString());
        stuck.Gate.SetResult();
        await write;
    }

    [Fact]
    public async Task Readers_and_writers_at_once_read_nothing_older_than_what_was_written_before_they_asked()
    {
        await using var bed = await Bed.StartAsync(Node, 5);
        const int Pages = 24;
        await bed.Origin.WriteAsync(0, new byte[Pages * 4096], default);
        var written = new ulong[Pages];
        var begun = new ulong[Pages];
        var errors = new ConcurrentQueue<string>();
        using var stop = new CancellationTokenSource(TimeSpan.FromSeconds(6));
        var seed = Seeds.Next(Output);
        // Each writer has pages of its own, so that their order is known; the pages of both lie in one segment.
        var writers = Enumerable.Range(0, 2).Select(writer => Task.Run(async () =>
        {
            var random = new Random(seed + writer);
            var page = new byte[4096];
            while (!stop.IsCancellationRequested)
            {
                var at = (random.Next(Pages / 2) * 2) + writer;
                var number = ++begun[at];
                BinaryPrimitives.WriteUInt64LittleEndian(page, number);
                BinaryPrimitives.WriteUInt64LittleEndian(page.AsSpan(4088), number);
                await bed.Files[writer].WriteAsync(at * 4096, page);
                Volatile.Write(ref written[at], number);
            }
        }));
        var readers = Enumerable.Range(0, 9).Select(reader => Task.Run(async () =>
        {
            var random = new Random(seed + 100 + reader);
            var page = new byte[4096];
            while (!stop.IsCancellationRequested)
            {
                var at = random.Next(Pages);
                var least = Volatile.Read(ref written[at]);
                await bed.Files[2 + (reader % 3)].ReadAsync(at * 4096, page);
                var number = BinaryPrimitives.ReadUInt64LittleEndian(page);
                if (number < least || number > Volatile.Read(ref begun[at])) errors.Enqueue($"page {at}: {number} was read after {least} had been written");
            }
        }));
        await Task.WhenAll([.. writers, .. readers]);
        Output.WriteLine($"{begun.Aggregate((a, b) => a + b)} writes; {string.Join('\n', bed.Files.Select(file => file.Counters))}");
        Assert.Empty(errors);
        Assert.True(bed.Files.Skip(2).Sum(file => file.Counters.Hits) > 100, "hardly anything was read from the grid: the run shows nothing");
    }

    [Fact]
    public async Task With_the_node_down_reads_go_on_from_the_origin_and_writes_write_nothing()
    {
        var options = Patient with { CacheTimeout = TimeSpan.FromSeconds(2), InvalidateTimeout = TimeSpan.FromSeconds(2), PauseAfterFailure = TimeSpan.FromMinutes(10) };
        await using var bed = await Bed.StartAsync(Node, 2, options);
        var (writer, reader) = (bed.Files[0], bed.Files[1]);
        await Eventually.TrueAsync(() => WritesAsync(writer, 1), "it is written", TimeSpan.FromSeconds(60));
        var page = new byte[4096];
        await reader.ReadAsync(0, page);
        await Node.Kill9Async();
        for (var round = 0; round < 5; round++)
        {
            Assert.Equal(4096, await reader.ReadAsync(0, page));
            PoolAssertions.AssertSame(PageBytes.Random(1), page, "from the origin");
        }

        // One read waits for the grid, the others leave it alone.
        Assert.Equal(1, reader.Counters.CacheFailures);
        var failure = await Assert.ThrowsAnyAsync<GridException>(() => writer.WriteAsync(0, PageBytes.Random(2)).AsTask());
        Assert.Equal(CallOutcome.NotApplied, failure.Outcome);
        Assert.Contains("nothing was written", failure.Message, StringComparison.Ordinal);
        var onDisk = await File.ReadAllBytesAsync(bed.Path);
        PoolAssertions.AssertSame(PageBytes.Random(1), onDisk, "the origin");

        await RestartAsync();
        await Eventually.TrueAsync(() => WritesAsync(writer, 3), "writes go on", TimeSpan.FromSeconds(60));
        await using var later = await CachedFile.OpenAsync(await bed.Clients[0].OpenPoolAsync(bed.PoolName), FileOrigin.OpenWrite(bed.Path), Patient);
        await Eventually.TrueAsync(
            async () =>
            {
                await later.ReadAsync(0, page);
                PoolAssertions.AssertSame(PageBytes.Random(3), page, "after the restart");
                return later.Counters.Hits > 0;
            },
            "reads are cached again",
            TimeSpan.FromSeconds(60));
    }

    private static async Task<bool> WritesAsync(CachedFile file, ulong number) =>
        await Record.ExceptionAsync(() => file.WriteAsync(0, PageBytes.Random(number)).AsTask()) is null;

    /// <summary>A file, and so many clients that have it open for writing.</summary>
    private sealed class Bed : IAsyncDisposable
    {
        private readonly TestFolder _folder = new();

        private Bed() => Origin = FileOrigin.OpenWrite(Path);

        public string Path => _folder.Combine("file");

        public string PoolName { get; } = Names.Unique("cached");

        public FileOrigin Origin { get; }

        public List<GridClient> Clients { get; } = [];

        public List<CachedFile> Files { get; } = [];

        public static async Task<Bed> StartAsync(NodeProcess node, int clients, CachedFileOptions? options = null)
        {
            var bed = new Bed();
            for (var i = 0; i < clients; i++)
            {
                var client = await node.ConnectAsync(member: $"member-{i}");
                bed.Clients.Add(client);
                var pool = await client.CreatePoolAsync(bed.PoolName, new PoolOptions { Sharing = PoolSharing.Shared });
                bed.Files.Add(await CachedFile.OpenAsync(pool, FileOrigin.OpenWrite(bed.Path), options ?? Patient));
            }

            return bed;
        }

        public async ValueTask DisposeAsync()
        {
            foreach (var file in Files) await file.DisposeAsync();
            foreach (var client in Clients) await client.DisposeAsync();
            await Origin.DisposeAsync();
            _folder.Dispose();
        }
    }

    /// <summary>A real origin whose reads wait after they have read, and whose writes wait before they write.</summary>
    private sealed class GatedOrigin(FileOrigin origin) : IOrigin
    {
        public TaskCompletionSource? Gate { get; set; }

        public TaskCompletionSource Reached { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public string Name => origin.Name;

        public bool IsWritable => true;

        public ValueTask<OriginState> StatAsync(CancellationToken cancellationToken) => origin.StatAsync(cancellationToken);

        public async ValueTask<int> ReadAsync(OriginState state, long offset, Memory<byte> destination, CancellationToken cancellationToken)
        {
            var read = await origin.ReadAsync(state, offset, destination, cancellationToken);
            await WaitAsync();
            return read;
        }

        public async ValueTask WriteAsync(long offset, ReadOnlyMemory<byte> data, CancellationToken cancellationToken)
        {
            await WaitAsync();
            await origin.WriteAsync(offset, data, cancellationToken);
        }

        public ValueTask DisposeAsync() => origin.DisposeAsync();

        private Task WaitAsync()
        {
            Reached.TrySetResult();
            return Gate?.Task ?? Task.CompletedTask;
        }
    }
}
