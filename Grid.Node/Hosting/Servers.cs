using Microsoft.Extensions.Logging;

namespace Grid.Node.Hosting;

/// <summary>Makes Kestrel servers that take nothing from the surroundings: no ASPNETCORE_ variables, no appsettings.json, no signals of their own.</summary>
internal static class Servers
{
    /// <summary>A builder with Kestrel, routing and the node's log.</summary>
    public static WebApplicationBuilder CreateBuilder(ILoggerFactory loggers)
    {
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions { ApplicationName = "Grid.Node" });
        builder.WebHost.UseKestrelCore();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.AddServerHeader = false);
        builder.Services.AddRoutingCore();
        builder.Services.AddSingleton(loggers);
        builder.Services.AddSingleton<IHostLifetime, NodeDecides>();
        return builder;
    }

    /// <summary>The node stops its servers in its own order; they do not listen to signals.</summary>
    private sealed class NodeDecides : IHostLifetime
    {
        public Task WaitForStartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
