using Grid.Client.Frontends;
using Grid.Protocol;
using Grid.Tests.Harness;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging;
using Microsoft.Net.Http.Headers;
using Xunit;
using Xunit.Abstractions;

namespace Grid.Tests.Frontends;

/// <summary>A file behind HTTP, served by ASP.NET's own range processing.</summary>
public sealed class HttpOriginTests(SharedNode shared, ITestOutputHelper output) : SharedNodeTest(shared, output), IAsyncLifetime
{
    private static readonly DateTimeOffset LongAgo = new(2001, 2, 3, 4, 5, 6, TimeSpan.Zero);
    private static readonly CachedFileOptions Patient = new() { CacheTimeout = TimeSpan.FromSeconds(60) };
    private readonly HttpClient _http = new();
    private readonly WebApplication _server = Build();
    private byte[] _content = [];
    private EntityTagHeaderValue? _tag;
    private DateTimeOffset? _changed = LongAgo;
    private bool _ranges = true;
    private int _requests;

    public async Task InitializeAsync()
    {
        _server.Urls.Add("http://127.0.0.1:0");
        _server.MapGet("/file", () =>
        {
            Interlocked.Increment(ref _requests);
            return Results.Bytes(_content, "application/octet-stream", null, _ranges, _changed, _tag);
        });
        await _server.StartAsync();
    }

    public async Task DisposeAsync()
    {
        await _server.DisposeAsync();
        _http.Dispose();
    }

    [Theory, InlineData(true), InlineData(false)]
    public async Task A_file_behind_http_is_read_once_and_then_from_the_grid(bool hasTag)
    {
        Serve(1, 1_000_001, hasTag ? "\"one\"" : null);
        var pool = await NewPoolAsync(PoolKind.Ephemeral, PoolSharing.Shared);
        var name = Names.Unique("http");
        for (var reader = 0; reader < 2; reader++)
        {
            await using var file = await CachedFile.OpenAsync(pool, new HttpOrigin(_http, Uri(), name), Patient with { FetchPages = 64 });
            var got = new MemoryStream();
            await file.OpenStream().CopyToAsync(got);
            Assert.True(got.GetBuffer().AsSpan(0, (int)got.Length).SequenceEqual(_content));
            Assert.Equal(reader == 0 ? 245 : 0, file.Counters.OriginPages);
        }

        // Four segments, and a question of each reader.
        Assert.Equal(4 + 2, _requests);
    }

    [Theory, InlineData("tag"), InlineData("time"), InlineData("length"), InlineData("gone")]
    public async Task A_content_that_changes_is_noticed_and_never_mixed(string what)
    {
        Serve(1, 500_000, what == "tag" ? "\"one\"" : null);
        var pool = await NewPoolAsync(PoolKind.Ephemeral, PoolSharing.Shared);
        await using var file = await CachedFile.OpenAsync(pool, new HttpOrigin(_http, Uri(), Names.Unique("http")), Patient);
        var old = _content;
        var buffer = new byte[40_000];
        await file.ReadAsync(0, buffer);
        if (what == "gone") await _server.StopAsync();
        else Serve(2, what == "length" ? 400_000 : 500_000, what == "tag" ? "\"two\"" : null);
        if (what == "time") _changed = LongAgo.AddSeconds(1);
        Assert.Equal(40_000, await file.ReadAsync(0, buffer));
        Assert.True(buffer.AsSpan().SequenceEqual(old.AsSpan(0, 40_000)));
        if (what == "gone")
        {
            await Assert.ThrowsAnyAsync<HttpRequestException>(() => file.ReadAsync(200_000, buffer).AsTask());
            return;
        }

        await Assert.ThrowsAsync<OriginChangedException>(() => file.ReadAsync(200_000, buffer).AsTask());
        Assert.True(await file.RefreshAsync());
        foreach (var offset in (int[])[0, 200_000])
        {
            Assert.Equal(40_000, await file.ReadAsync(offset, buffer));
            Assert.True(buffer.AsSpan().SequenceEqual(_content.AsSpan(offset, 40_000)));
        }
    }

    [Fact]
    public async Task A_content_of_this_second_without_a_tag_is_read_and_not_cached()
    {
        Serve(1, 100_000, null);
        _changed = DateTimeOffset.UtcNow.AddSeconds(60);
        var pool = await NewPoolAsync(PoolKind.Ephemeral, PoolSharing.Shared);
        await using var file = await CachedFile.OpenAsync(pool, new HttpOrigin(_http, Uri(), Names.Unique("http")), Patient);
        var buffer = new byte[100_000];
        Assert.Equal(100_000, await file.ReadAsync(0, buffer));
        Assert.True(buffer.AsSpan().SequenceEqual(_content));
        Assert.Equal(0, file.Counters.PagesPut);
    }

    [Fact]
    public async Task What_cannot_be_cached_is_refused_with_the_reason()
    {
        var pool = await NewPoolAsync(PoolKind.Ephemeral, PoolSharing.Shared);
        Serve(1, 100_000, "\"one\"");
        _ranges = false;
        Assert.Contains("does not serve ranges", await FailureAsync("/file"), StringComparison.Ordinal);
        _ranges = true;
        (_tag, _changed) = (new EntityTagHeaderValue("\"weak\"", isWeak: true), null);
        Assert.Contains("neither a strong ETag nor Last-Modified", await FailureAsync("/file"), StringComparison.Ordinal);
        Assert.Contains("404", await FailureAsync("/other"), StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => new HttpOrigin(_http, new Uri("ftp://host/file")));
        Assert.Throws<ArgumentException>(() => new HttpOrigin(_http, new Uri("file", UriKind.Relative)));

        async Task<string> FailureAsync(string path) =>
            (await Assert.ThrowsAsync<IOException>(() => CachedFile.OpenAsync(pool, new HttpOrigin(_http, new Uri(Uri(), path))).AsTask())).Message;
    }

    private static WebApplication Build()
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        return builder.Build();
    }

    private Uri Uri() => new(new Uri(_server.Urls.Single()), "/file");

    private void Serve(ulong seed, int bytes, string? tag)
    {
        _content = PageBytes.Random(seed, (bytes + 7) / 8 * 8)[..bytes];
        _tag = tag is null ? null : new EntityTagHeaderValue(tag);
    }
}
