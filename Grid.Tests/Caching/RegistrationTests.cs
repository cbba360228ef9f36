using System.Collections.Concurrent;
using Grid.AspNetCore;
using Grid.Client;
using Grid.Protocol;
using Grid.Tests.Harness;
using Microsoft.AspNetCore.OutputCaching;
using Microsoft.Extensions.Caching.Distributed;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Microsoft.Extensions.Time.Testing;
using Xunit;
using Xunit.Abstractions;

namespace Grid.Tests.Caching;

/// <summary>How caches are added to a program's services, and what is said of options that make no sense.</summary>
public sealed class RegistrationTests(SharedNode shared, ITestOutputHelper output) : SharedNodeTest(shared, output)
{
    private static ServiceCollection Services(Action<GridCacheOptions>? configure = null)
    {
        var services = new ServiceCollection();
        services.AddGridDistributedCache(configure ?? (options => options.ConnectionString = "grid://127.0.0.1:1"));
        services.AddGridOutputCache();
        return services;
    }

    [Theory]
    [InlineData(typeof(IDistributedCache))]
    [InlineData(typeof(IOutputCacheStore))]
    public void Caches_are_singletons(Type service)
    {
        var descriptor = Services().Last(item => item.ServiceType == service);
        Assert.Equal(ServiceLifetime.Singleton, descriptor.Lifetime);
    }

    [Fact]
    public void Calls_can_be_chained()
    {
        var services = new ServiceCollection();
        Assert.Same(services, services.AddGridDistributedCache(_ => { }));
        Assert.Same(services, services.AddGridOutputCache());
        Assert.Throws<ArgumentNullException>("configure", () => services.AddGridDistributedCache(null!));
        Assert.Throws<ArgumentNullException>("services", () => ((IServiceCollection)null!).AddGridOutputCache());
    }

    [Fact]
    public async Task A_cache_that_was_added_before_is_replaced()
    {
        var services = new ServiceCollection();
        services.AddDistributedMemoryCache();
        services.AddOutputCache();
        services.AddGridDistributedCache(options => options.ConnectionString = "grid://127.0.0.1:1");
        services.AddGridOutputCache();
        await using var provider = services.BuildServiceProvider();
        Assert.IsType<GridDistributedCache>(provider.GetRequiredService<IDistributedCache>());
        Assert.IsAssignableFrom<IBufferDistributedCache>(provider.GetRequiredService<IDistributedCache>());
        Assert.IsType<GridOutputCacheStore>(provider.GetRequiredService<IOutputCacheStore>());
        Assert.IsAssignableFrom<IOutputCacheBufferStore>(provider.GetRequiredService<IOutputCacheStore>());
    }

    [Fact]
    public async Task An_output_cache_that_was_added_first_is_not_displaced_by_AddOutputCache()
    {
        var services = Services();
        services.AddOutputCache();
        await using var provider = services.BuildServiceProvider();
        Assert.IsType<GridOutputCacheStore>(provider.GetRequiredService<IOutputCacheStore>());
    }

    [Fact]
    public void A_grid_that_is_down_keeps_nothing_from_being_made()
    {
        // Resolved and disposed of synchronously, as some containers do.
        using var provider = Services().BuildServiceProvider();
        Assert.NotNull(provider.GetRequiredService<IDistributedCache>());
        Assert.NotNull(provider.GetRequiredService<IOutputCacheStore>());
    }

    [Fact]
    public async Task The_program_s_clock_logger_and_one_connection_are_used()
    {
        var connections = 0;
        var logs = new Logs();
        var time = new FakeTimeProvider();
        var services = Services(options =>
        {
            options.Pool = Names.Unique("cache");
            options.ClientFactory = _ =>
            {
                Interlocked.Increment(ref connections);
                return ValueTask.FromResult(Client);
            };
        });
        services.AddSingleton<TimeProvider>(time);
        services.AddLogging(logging => logging.AddProvider(logs));
        await using var provider = services.BuildServiceProvider();
        var cache = provider.GetRequiredService<IDistributedCache>();
        await cache.SetAsync("k", [1], new DistributedCacheEntryOptions().SetAbsoluteExpiration(TimeSpan.FromMinutes(1)));
        await provider.GetRequiredService<IOutputCacheStore>().SetAsync("k", [2], null, TimeSpan.FromMinutes(1), default);
        Assert.Equal([1], await cache.GetAsync("k"));
        time.Advance(TimeSpan.FromMinutes(1));
        Assert.Null(await cache.GetAsync("k"));
        Assert.Equal(1, connections);
        Assert.Contains(logs.Lines, line => line.StartsWith("Grid.Cache: The cache is in pool", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Options_that_make_no_sense_are_all_named()
    {
        var services = new ServiceCollection();
        services.AddGridDistributedCache(options =>
        {
            options.Pool = "no spaces";
            options.Objects = 0;
            options.MaxValueBytes = -1;
            options.SweepInterval = TimeSpan.FromSeconds(1);
            options.NewPool = new PoolOptions { PageSizeBytes = 5000 };
        });
        await using var provider = services.BuildServiceProvider();
        var failure = Assert.Throws<OptionsValidationException>(() => provider.GetRequiredService<IDistributedCache>());
        foreach (var part in (string[])["no grid is named", "Pool: ", "Objects is 0, 1 to 65536 are possible", "MaxValueBytes is -1", "SweepInterval is 00:00:01", "page size 5000"])
            Assert.Contains(part, failure.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("redis://localhost")]
    [InlineData("grid://localhost:7070?colour=red")]
    public void A_connection_string_that_makes_no_sense_is_refused_before_it_is_used(string text)
    {
        var failure = Assert.Throws<OptionsValidationException>(() => new GridDistributedCache(new GridCacheOptions { ConnectionString = text }));
        Assert.Contains("ConnectionString: The connection string makes no sense", failure.Message, StringComparison.Ordinal);
        Assert.Contains("set only one", Assert.Throws<OptionsValidationException>(() => new GridDistributedCache(new GridCacheOptions
        {
            ConnectionString = "grid://localhost",
            Client = GridClientOptions.Parse("grid://localhost"),
        })).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_pool_that_may_not_be_made_must_exist_and_one_that_exists_is_taken_as_it_is()
    {
        var name = Names.Unique("cache");
        await using var cache = new GridDistributedCache(new GridCacheOptions { ConnectionString = Shared.Node.ConnectionString(), Pool = name, NewPool = null });
        await Assert.ThrowsAsync<NoSuchPoolException>(() => cache.GetAsync("k"));
        // Not as a cache would make it: in a private pool a get takes unless it says otherwise.
        await Client.CreatePoolAsync(name, new PoolOptions { PageSizeBytes = 16384 });
        await cache.SetAsync("k", [1], new DistributedCacheEntryOptions());
        Assert.Equal([1], await cache.GetAsync("k"));
        Assert.Equal([1], await cache.GetAsync("k"));
    }

    /// <summary>Collects what is logged.</summary>
    private sealed class Logs : ILoggerProvider
    {
        public ConcurrentQueue<string> Lines { get; } = [];

        public ILogger CreateLogger(string categoryName) => new Logger(categoryName, Lines);

        public void Dispose()
        {
        }
    }

    private sealed class Logger(string category, ConcurrentQueue<string> lines) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
            lines.Enqueue($"{category}: {formatter(state, exception)}");
    }
}
