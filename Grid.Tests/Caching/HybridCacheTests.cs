using Grid.Client;
using Grid.Tests.Harness;
using Microsoft.Extensions.Caching.Distributed;
using Microsoft.Extensions.Caching.Hybrid;
using Microsoft.Extensions.DependencyInjection;
using Xunit;
using Xunit.Abstractions;

namespace Grid.Tests.Caching;

/// <summary>HybridCache with the grid as its second level: two programs, as far as it can tell. (Two processes: WebCacheTests.)</summary>
public sealed class HybridCacheTests(SharedNode shared, ITestOutputHelper output) : SharedNodeTest(shared, output)
{
    private static readonly HybridCacheEntryOptions SecondLevelOnly = new() { Flags = HybridCacheEntryFlags.DisableLocalCache };

    private readonly string _pool = Names.Unique("cache");

    private ServiceProvider NewProgram()
    {
        var services = new ServiceCollection();
        services.AddGridDistributedCache(options =>
        {
            options.ConnectionString = Shared.Node.ConnectionString();
            options.Pool = _pool;
        });
        services.AddHybridCache(options => options.MaximumPayloadBytes = 8 << 20);
        return services.BuildServiceProvider();
    }

    [Theory]
    [InlineData(10)]
    [InlineData(100_000)]
    [InlineData(3_000_000)]
    public async Task What_one_program_computed_another_finds(int length)
    {
        await using var first = NewProgram();
        await using var second = NewProgram();
        var computed = 0;
        async ValueTask<Report> GetAsync(ServiceProvider program) => await program.GetRequiredService<HybridCache>().GetOrCreateAsync("report", _ =>
        {
            Interlocked.Increment(ref computed);
            return ValueTask.FromResult(new Report(7, new string('r', length)));
        });
        var report = await GetAsync(first);
        // The second level is written after the first caller has its answer.
        await Eventually.TrueAsync(async () => await second.GetRequiredService<IDistributedCache>().GetAsync("report") is not null, "the value is in the grid", TimeSpan.FromSeconds(20));
        Assert.Equal(report, await GetAsync(second));
        Assert.Equal(1, computed);
    }

    [Fact]
    public async Task What_one_program_sets_or_removes_another_sees()
    {
        await using var first = NewProgram();
        await using var second = NewProgram();
        var (writer, reader) = (first.GetRequiredService<HybridCache>(), second.GetRequiredService<HybridCache>());
        for (var round = 0; round < 5; round++)
        {
            await writer.SetAsync("k", round, SecondLevelOnly);
            Assert.Equal(round, await reader.GetOrCreateAsync("k", _ => ValueTask.FromResult(-1), SecondLevelOnly));
            await writer.RemoveAsync("k");
            Assert.Equal(-2, await reader.GetOrCreateAsync("k", _ => ValueTask.FromResult(-2), SecondLevelOnly));
            await reader.RemoveAsync("k");
        }
    }

    [Fact]
    public async Task A_value_expires_in_the_second_level_when_it_was_told_to()
    {
        await using var program = NewProgram();
        var cache = program.GetRequiredService<HybridCache>();
        var brief = new HybridCacheEntryOptions { Expiration = TimeSpan.FromSeconds(2), Flags = HybridCacheEntryFlags.DisableLocalCache };
        await cache.SetAsync("k", 1, brief);
        await Eventually.TrueAsync(
            async () => await program.GetRequiredService<IDistributedCache>().GetAsync("k") is null, "the value expires", TimeSpan.FromSeconds(20));
        Assert.Equal(2, await cache.GetOrCreateAsync("k", _ => ValueTask.FromResult(2), brief));
    }

    [Fact]
    public async Task When_the_grid_is_down_values_are_computed()
    {
        var services = new ServiceCollection();
        services.AddGridDistributedCache(options => options.ConnectionString = "grid://127.0.0.1:1?connect-timeout=1s");
        services.AddHybridCache();
        await using var program = services.BuildServiceProvider();
        Assert.Equal(7, await program.GetRequiredService<HybridCache>().GetOrCreateAsync("k", _ => ValueTask.FromResult(7)));
    }

    private sealed record Report(int Number, string Text);
}
