using Microsoft.Extensions.Caching.Distributed;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;

namespace Grid.Client;

/// <summary>Adds caches on the grid to a program's services.</summary>
public static class GridCacheServiceCollectionExtensions
{
    /// <summary>
    /// Adds an <see cref="IDistributedCache"/> (which is an <see cref="IBufferDistributedCache"/> too) that keeps its values in a pool of the grid. It is a singleton, connects when it is first used, goes by
    /// the <see cref="TimeProvider"/> among the services, if there is one, and logs in category <c>Grid.Cache</c>.
    /// </summary>
    /// <param name="services">The services.</param>
    /// <param name="configure">Sets the options. They are checked when the cache is first resolved (<see cref="OptionsValidationException"/>).</param>
    /// <returns>The services.</returns>
    public static IServiceCollection AddGridDistributedCache(this IServiceCollection services, Action<GridCacheOptions> configure)
    {
        ArgumentNullException.ThrowIfNull(services);
        ArgumentNullException.ThrowIfNull(configure);
        services.Configure(configure);
        AddStore(services);
        services.AddSingleton<IDistributedCache>(provider => new GridDistributedCache(provider.GetRequiredService<CacheHandle>().Store));
        return services;
    }

    /// <summary>Adds what all caches of a program share: the checked options, and the store with its connection.</summary>
    internal static void AddStore(IServiceCollection services)
    {
        services.AddOptions();
        services.TryAddEnumerable(ServiceDescriptor.Singleton<IValidateOptions<GridCacheOptions>, GridCacheOptionsCheck>());
        services.TryAddSingleton(provider => new CacheHandle(new CacheStore(
            provider.GetRequiredService<IOptions<GridCacheOptions>>().Value,
            provider.GetService<TimeProvider>() ?? TimeProvider.System,
            (provider.GetService<ILoggerFactory>() ?? NullLoggerFactory.Instance).CreateLogger(CacheLog.Category))));
    }
}

/// <summary>The store of a program's caches, for the container, which may dispose of it either way.</summary>
internal sealed class CacheHandle(CacheStore store) : IAsyncDisposable, IDisposable
{
    public CacheStore Store => store;

    public ValueTask DisposeAsync() => store.DisposeAsync();

    public void Dispose() => Blocking.Wait(store.DisposeAsync().AsTask());
}
