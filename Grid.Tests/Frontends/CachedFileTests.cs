using Grid.Client;
using Grid.Client.Frontends;
using Grid.Protocol;
using Grid.Tests.Harness;
using Xunit;
using Xunit.Abstractions;

namespace Grid.Tests.Frontends;

/// <summary>Files read through a shared ephemeral pool of a live node.</summary>
public sealed class CachedFileTests(SharedNode shared, ITestOutputHelper output) : SharedNodeTest(shared, output), IDisposable
{
    private static readonly DateTime LongAgo = new(2001, 2, 3, 4, 5, 6, DateTimeKind.Utc);
    private static readonly CachedFileOptions Patient = new() { CacheTimeout = TimeSpan.FromSeconds(60), InvalidateTimeout = TimeSpan.FromSeconds(60) };
    private readonly TestFolder _folder = new();

    public new void Dispose()
    {
        base.Dispose();
        _folder.Dispose();
    }

    [Theory, InlineData(4096), InlineData(65536)]
    public async Task Random_reads_give_the_files_bytes_from_the_origin_and_from_the_grid(int pageSize)
    {
        var (path, bytes) = NewFile(1_500_001);
        var pool = await NewPoolAsync(new PoolOptions { Sharing = PoolSharing.Shared, PageSizeBytes = pageSize });
        await using var file = await CachedFile.OpenAsync(pool, FileOrigin.OpenRead(path), Patient);
        Assert.Equal(bytes.Length, file.LengthBytes);
        var random = new Random(Seeds.Next(Output));
        for (var round = 0; round < 150; round++)
        {
            var offset = random.Next(bytes.Length + 10_000);
            var buffer = new byte[random.Next(4) == 0 ? random.Next(600_000) : random.Next(20_000)];
            var expected = Math.Clamp(bytes.Length - offset, 0, buffer.Length);
            Assert.Equal(expected, await file.ReadAsync(offset, buffer));
            Assert.True(buffer.AsSpan(0, expected).SequenceEqual(bytes.AsSpan(Math.Min(offset, bytes.Length), expected)), $"{buffer.Length} bytes at {offset}");
        }

        Output.WriteLine(file.Counters.ToString());
        Assert.True(file.Counters.Hits > 0 && file.Counters.OriginPages == (bytes.Length + pageSize - 1) / pageSize, file.Counters.ToString());
    }

    [Fact]
    public async Task Three_readers_in_three_clients_read_each_page_of_the_origin_once()
    {
        var (path, bytes) = NewFile(4 << 20);
        var pool = await NewPoolAsync(PoolKind.Ephemeral, PoolSharing.Shared);
        var files = new List<CachedFile>();
        var clients = new List<GridClient>();
        for (var reader = 0; reader < 3; reader++)
        {
            clients.Add(await Shared.Node.ConnectAsync(member: $"reader-{reader}"));
            files.Add(await CachedFile.OpenAsync(await clients[^1].OpenPoolAsync(pool.Name), FileOrigin.OpenRead(path), Patient));
        }

        foreach (var file in files)
        {
            var got = new MemoryStream();
            await file.OpenStream().CopyToAsync(got);
            Assert.True(got.GetBuffer().AsSpan(0, (int)got.Length).SequenceEqual(bytes));
        }

        Assert.Equal([1024L, 0L, 0L], files.Select(file => file.Counters.OriginPages));
        Assert.Equal([0L, 1024L, 1024L], files.Select(file => file.Counters.Hits).Select((hits, reader) => reader == 0 ? 0 : hits));
        foreach (var file in files) await file.DisposeAsync();
        foreach (var client in clients) await client.DisposeAsync();
    }

    [Fact]
    public async Task Callers_that_miss_the_same_page_at_once_ask_the_origin_once()
    {
        var (path, bytes) = NewFile(1 << 20);
        var pool = await NewPoolAsync(PoolKind.Ephemeral, PoolSharing.Shared);
        await using var file = await CachedFile.OpenAsync(pool, FileOrigin.OpenRead(path), Patient);
        await Task.WhenAll(Enumerable.Range(0, 200).Select(async caller =>
        {
            var buffer = new byte[5000];
            Assert.Equal(5000, await file.ReadAsync(caller * 4000, buffer));
            Assert.True(buffer.AsSpan().SequenceEqual(bytes.AsSpan(caller * 4000, 5000)));
        }));
        Assert.True(file.Counters.OriginPages <= 256, file.Counters.ToString());
    }

    [Fact]
    public async Task A_file_that_changes_in_place_is_noticed_and_its_contents_are_never_mixed()
    {
        var (path, old) = NewFile(300_000);
        var pool = await NewPoolAsync(PoolKind.Ephemeral, PoolSharing.Shared);
        await using var file = await CachedFile.OpenAsync(pool, FileOrigin.OpenRead(path), Patient);
        var buffer = new byte[100_000];
        Assert.Equal(100_000, await file.ReadAsync(0, buffer));

        var now = PageBytes.Random(99, 304_000);
        await File.WriteAllBytesAsync(path, now);
        File.SetLastWriteTimeUtc(path, LongAgo.AddHours(1));
        // What is cached is of the old content, as the reader is; what is not cached does not exist any more.
        Assert.Equal(60_000, await file.ReadAsync(0, buffer.AsMemory(0, 60_000)));
        Assert.True(buffer.AsSpan(0, 60_000).SequenceEqual(old.AsSpan(0, 60_000)));
        await Assert.ThrowsAsync<OriginChangedException>(() => file.ReadAsync(200_000, buffer).AsTask());
        Assert.True(await file.RefreshAsync());
        Assert.Equal(now.Length, file.LengthBytes);
        foreach (var offset in (int[])[0, 100_000, 204_000])
        {
            Assert.Equal(100_000, await file.ReadAsync(offset, buffer));
            Assert.True(buffer.AsSpan().SequenceEqual(now.AsSpan(offset, 100_000)), $"at {offset}");
        }

        Assert.False(await file.RefreshAsync());
    }

    [Fact]
    public async Task A_file_that_changed_a_moment_ago_is_read_and_not_cached()
    {
        var (path, bytes) = NewFile(50_000);
        File.SetLastWriteTimeUtc(path, DateTime.UtcNow);
        var pool = await NewPoolAsync(PoolKind.Ephemeral, PoolSharing.Shared);
        await using var file = await CachedFile.OpenAsync(pool, FileOrigin.OpenRead(path), Patient);
        var buffer = new byte[50_000];
        for (var round = 0; round < 2; round++)
        {
            Assert.Equal(50_000, await file.ReadAsync(0, buffer));
            Assert.True(buffer.AsSpan().SequenceEqual(bytes));
        }

        Assert.Equal((0L, 0L), (file.Counters.Hits, file.Counters.PagesPut));
    }

    [Fact]
    public async Task Files_of_other_names_and_contents_share_no_pages_in_one_pool()
    {
        var pool = await NewPoolAsync(PoolKind.Ephemeral, PoolSharing.Shared);
        var contents = new List<(string Path, byte[] Bytes)>();
        for (var i = 0; i < 4; i++) contents.Add(NewFile(20_000 + (i / 2), seed: (ulong)i));
        for (var round = 0; round < 2; round++)
        {
            foreach (var (path, bytes) in contents)
            {
                await using var file = await CachedFile.OpenAsync(pool, FileOrigin.OpenRead(path), Patient);
                var buffer = new byte[bytes.Length];
                Assert.Equal(bytes.Length, await file.ReadAsync(0, buffer));
                Assert.True(buffer.AsSpan().SequenceEqual(bytes), path);
                Assert.Equal(round == 1, file.Counters.OriginPages == 0);
            }
        }

        // The same file under one name from two places is one.
        var copy = _folder.Combine("copy");
        File.Copy(contents[0].Path, copy);
        File.SetLastWriteTimeUtc(copy, LongAgo);
        var reads = 0L;
        foreach (var path in (string[])[contents[0].Path, copy])
        {
            await using var file = await CachedFile.OpenAsync(pool, FileOrigin.OpenRead(path, "golden"), Patient);
            Assert.Equal(4096, await file.ReadAsync(0, new byte[4096]));
            reads += file.Counters.OriginReads;
        }

        Assert.Equal(1, reads);
    }

    [Fact]
    public async Task The_stream_seeks_reads_writes_and_refuses_what_it_cannot()
    {
        var path = _folder.Combine("new");
        var pool = await NewPoolAsync(PoolKind.Ephemeral, PoolSharing.Shared);
        await using var file = await CachedFile.OpenAsync(pool, FileOrigin.OpenWrite(path), Patient);
        await using var stream = file.OpenStream();
        var bytes = PageBytes.Random(5, 600_000);
        await stream.WriteAsync(bytes);
        Assert.Equal((600_000, 600_000), (stream.Position, stream.Length));
        stream.Seek(-100_000, SeekOrigin.End);
        await stream.WriteAsync(bytes.AsMemory(0, 1000));
        bytes.AsSpan(0, 1000).CopyTo(bytes.AsSpan(500_000));
        stream.Position = 0;
        var got = new byte[600_000];
        await stream.ReadExactlyAsync(got);
        Assert.True(got.AsSpan().SequenceEqual(bytes));
        Assert.Equal(0, await stream.ReadAsync(got));
        var onDisk = await File.ReadAllBytesAsync(path);
        Assert.True(bytes.AsSpan().SequenceEqual(onDisk));
        // A hole is zeros, and the page before it is not what it was when the file ended there.
        stream.Seek(10_000, SeekOrigin.End);
        await stream.WriteAsync(bytes.AsMemory(0, 10));
        Assert.Equal(610_010, file.LengthBytes);
        Assert.Equal(10_010, await file.ReadAsync(600_000, got));
        Assert.True(got.AsSpan(0, 10_000).IndexOfAnyExcept((byte)0) < 0 && got.AsSpan(10_000, 10).SequenceEqual(bytes.AsSpan(0, 10)));

        Assert.Throws<NotSupportedException>(() => stream.SetLength(0));
        Assert.Throws<NotSupportedException>(() => stream.ReadByte());
        await using var reader = await CachedFile.OpenAsync(pool, FileOrigin.OpenRead(path), Patient);
        await Assert.ThrowsAsync<NotSupportedException>(() => reader.WriteAsync(0, bytes).AsTask());
        await Assert.ThrowsAsync<ArgumentOutOfRangeException>(() => reader.ReadAsync(-1, bytes).AsTask());
        var persistent = await NewPoolAsync(PoolKind.Persistent, PoolSharing.Shared);
        await using var origin = FileOrigin.OpenRead(path);
        await Assert.ThrowsAsync<ArgumentException>(() => CachedFile.OpenAsync(persistent, origin).AsTask());
        await Assert.ThrowsAsync<ArgumentOutOfRangeException>(() => CachedFile.OpenAsync(pool, origin, new CachedFileOptions { FetchPages = 3 }).AsTask());
    }

    private (string Path, byte[] Bytes) NewFile(int length, ulong seed = 1)
    {
        var path = _folder.Combine($"file-{seed}-{length}");
        var bytes = PageBytes.Random(seed, (length + 7) / 8 * 8)[..length];
        File.WriteAllBytes(path, bytes);
        File.SetLastWriteTimeUtc(path, LongAgo);
        return (path, bytes);
    }
}
