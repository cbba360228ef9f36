using Grid.Client;
using Microsoft.AspNetCore.OutputCaching;
using Microsoft.Extensions.DependencyInjection;

namespace Grid.AspNetCore;

/// <summary>Adds an output cache on the grid to a program's services.</summary>
public static class GridOutputCacheServiceCollectionExtensions
{
    /// <summary>
    /// Has ASP.NET's output cache keep responses in a pool of the grid, for all instances of a program. It adds the store only: <c>AddOutputCache</c> and <c>UseOutputCache</c> are called as ever. It shares
    /// options and connection with <see cref="GridCacheServiceCollectionExtensions.AddGridDistributedCache"/>; their values never meet.
    /// </summary>
    /// <param name="services">The services.</param>
    /// <param name="configure">Sets the options; null if they are set already. They are checked when the store is first resolved.</param>
    /// <returns>The services.</returns>
    public static IServiceCollection AddGridOutputCache(this IServiceCollection services, Action<GridCacheOptions>? configure = null)
    {
        ArgumentNullException.ThrowIfNull(services);
        if (configure is not null) services.Configure(configure);
        GridCacheServiceCollectionExtensions.AddStore(services);
        services.AddSingleton<IOutputCacheStore>(provider => new GridOutputCacheStore(provider.GetRequiredService<CacheHandle>().Store));
        return services;
    }
}
