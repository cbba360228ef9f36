using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using Grid.Client;
using Grid.Tests.Harness;
using Grid.Tests.Hosting;
using Xunit;
using Xunit.Abstractions;

namespace Grid.Tests.Caching;

/// <summary>examples/WebCache as two processes on one node: a session, cached responses and HybridCache, whichever instance is asked, and after one was killed.</summary>
public sealed class WebCacheTests(SharedNode shared, ITestOutputHelper output) : SharedNodeTest(shared, output)
{
    private readonly string _pool = Names.Unique("cache");

    [Fact]
    public async Task Two_instances_share_sessions_cached_responses_and_computed_values()
    {
        using var keys = new TestFolder();
        var handler = new HttpClientHandler { CookieContainer = new CookieContainer() };
        using var visitor = new HttpClient(handler);
        await using var first = await StartAsync(keys);

        // A session goes on wherever its visitor comes.
        Assert.Equal((1, first.Pid), await VisitAsync(visitor, first));
        await using var second = await StartAsync(keys);
        Assert.Equal((2, second.Pid), await VisitAsync(visitor, second));
        Assert.Equal((3, first.Pid), await VisitAsync(visitor, first));
        using var stranger = new HttpClient();
        Assert.Equal((1, second.Pid), await VisitAsync(stranger, second));

        // A response is made once.
        var news = await NewsAsync(visitor, first);
        Assert.Equal(news, await NewsAsync(visitor, second));
        Assert.Equal(news, await NewsAsync(stranger, first));

        // ... until its tag is evicted, by any instance.
        using (var evicted = await visitor.PostAsync(Url(second, "/news/evict"), null)) evicted.EnsureSuccessStatusCode();
        var later = await NewsAsync(visitor, first);
        Assert.NotEqual(news, later);
        Assert.Equal(later, await NewsAsync(visitor, second));

        // A value is computed once, and outlives the process that did.
        Assert.Equal((144, first.Pid), await SquareAsync(visitor, first, 12));
        // The second level is written after the caller has its answer.
        await using (var cache = new GridDistributedCache(new GridCacheOptions { ConnectionString = Shared.Node.ConnectionString(), Pool = _pool, InstanceName = "WebCache:" }))
            await Eventually.TrueAsync(async () => await cache.GetAsync("square:12") is not null, "the value is in the grid", TimeSpan.FromSeconds(20));
        Assert.Equal((144, first.Pid), await SquareAsync(visitor, second, 12));
        await first.Kill9Async();
        await using var third = await StartAsync(keys);
        Assert.Equal((144, first.Pid), await SquareAsync(visitor, third, 12));
        Assert.Equal((4, third.Pid), await VisitAsync(visitor, third));
        Assert.Equal(later, await NewsAsync(visitor, third));
    }

    private Task<DotnetProcess> StartAsync(TestFolder keys)
    {
        // bin/CONFIGURATION/FRAMEWORK, as this assembly's.
        var built = AppContext.BaseDirectory.TrimEnd('/').Split('/')[^2..];
        var program = Path.Combine([Repository.Root, "examples", "WebCache", "bin", .. built, "WebCache.dll"]);
        return DotnetProcess.StartAsync(
            program, ["--urls", "http://127.0.0.1:0", "--Grid", Shared.Node.ConnectionString(), "--Pool", _pool, "--Keys", keys.Path], "Now listening on: ");
    }

    private static Uri Url(DotnetProcess instance, string path) => new(instance.Line[instance.Line.IndexOf("http://", StringComparison.Ordinal)..].Trim() + path);

    private static async Task<(int Count, int Process)> VisitAsync(HttpClient client, DotnetProcess instance)
    {
        var answer = await client.GetFromJsonAsync<JsonElement>(Url(instance, "/visits"));
        return (answer.GetProperty("count").GetInt32(), answer.GetProperty("process").GetInt32());
    }

    /// <summary>Asks as a load balancer does, by the site's name: the output cache keeps hosts apart.</summary>
    private static async Task<string> NewsAsync(HttpClient client, DotnetProcess instance)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, Url(instance, "/news"));
        request.Headers.Host = "news.example";
        using var answer = await client.SendAsync(request);
        return await answer.EnsureSuccessStatusCode().Content.ReadAsStringAsync();
    }

    private static async Task<(long Value, int Process)> SquareAsync(HttpClient client, DotnetProcess instance, int number)
    {
        var answer = await client.GetFromJsonAsync<JsonElement>(Url(instance, $"/square/{number}"));
        return (answer.GetProperty("value").GetInt64(), answer.GetProperty("process").GetInt32());
    }
}
