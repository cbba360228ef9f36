using System.Diagnostics;
using System.Text.Json;
using System.Text.Json.Serialization;
using Grid.Node.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Logging;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;

namespace Grid.Node.Admin;

/// <summary>HTTP for operators: <c>/health/live</c>, <c>/health/ready</c>, <c>/metrics</c>, <c>/api/v1/status</c>, <c>/api/v1/drain</c>.</summary>
internal sealed class AdminServer : IAsyncDisposable
{
    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web)
    {
        WriteIndented = true,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.SnakeCaseLower) },
    };

    private readonly long _started = Stopwatch.GetTimestamp();
    private readonly WebApplication _app;
    private readonly string _nodeName;
    private readonly Readiness _readiness;
    private readonly GridMetrics _metrics;
    private readonly INodeStatusSource _source;
    private readonly TimeSpan _stopTimeout;

    private AdminServer(WebApplication app, GridSettings settings, Readiness readiness, GridMetrics metrics, INodeStatusSource source)
    {
        (_app, _nodeName, _stopTimeout, _readiness, _metrics, _source) = (app, settings.Node.Name, settings.Stop.Timeout, readiness, metrics, source);
        app.MapGet("/health/live", (RequestDelegate)(context => WriteAsync(context, 200, new { status = "live" })));
        app.MapGet("/health/ready", (RequestDelegate)ReadyAsync);
        app.MapGet("/api/v1/status", (RequestDelegate)(context => WriteAsync(context, 200, Status())));
        app.MapPost("/api/v1/drain", (RequestDelegate)DrainAsync);
        app.MapPrometheusScrapingEndpoint("/metrics");
    }

    /// <summary>The port it listens on.</summary>
    public int Port { get; private set; }

    /// <summary>Where the node listens, for the status.</summary>
    public NodeAddresses Addresses { get; set; } = new("", "", "", "");

    /// <summary>Has the node stop gracefully, as SIGTERM does.</summary>
    public Action RequestStop { get; set; } = () => { };

    /// <summary>Listens.</summary>
    /// <exception cref="StartupException">The address cannot be had.</exception>
    public static async Task<AdminServer> StartAsync(GridSettings settings, Readiness readiness, GridMetrics metrics, INodeStatusSource source, ILoggerFactory loggers, CancellationToken cancellation)
    {
        var endPoint = await Binding.ResolveAsync("grid.admin.host", settings.Admin.Host, settings.Admin.Port, cancellation);
        var builder = Servers.CreateBuilder(loggers);
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.Listen(endPoint, listen => listen.Protocols = HttpProtocols.Http1);
            kestrel.Limits.MaxConcurrentConnections = 256;
            kestrel.Limits.MaxRequestBodySize = 64 << 10;
            kestrel.Limits.RequestHeadersTimeout = TimeSpan.FromSeconds(10);
        });
        builder.Services.AddOpenTelemetry()
            .ConfigureResource(resource => resource.AddService("grid", serviceVersion: ProgramVersion.Text, serviceInstanceId: settings.Node.Name))
            .WithMetrics(meters => meters.AddMeter(GridMetrics.MeterName).AddRuntimeInstrumentation().AddPrometheusExporter());
        var server = new AdminServer(builder.Build(), settings, readiness, metrics, source);
        try
        {
            await Binding.StartAsync(server._app, "grid.admin.host", endPoint, cancellation);
            server.Port = Binding.Port(server._app);
            return server;
        }
        catch
        {
            await server.DisposeAsync();
            throw;
        }
    }

    /// <summary>Stops answering.</summary>
    public Task StopAsync(CancellationToken cancellation) => _app.StopAsync(cancellation);

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => _app.DisposeAsync();

    private static Task WriteAsync<T>(HttpContext context, int status, T body)
    {
        context.Response.StatusCode = status;
        context.Response.Headers.CacheControl = "no-store";
        return context.Response.WriteAsJsonAsync(body, Json, context.RequestAborted);
    }

    private Task ReadyAsync(HttpContext context)
    {
        var report = _readiness.Report();
        return WriteAsync(context, report.Ready ? 200 : 503, new { status = report.Ready ? "ready" : "not ready", report.Checks });
    }

    private async Task DrainAsync(HttpContext context)
    {
        // A browser names the page that sends; no page has any business here.
        if (context.Request.Headers.Origin.Count > 0)
        {
            await WriteAsync(context, 403, new { error = "a drain is not asked for by a web page" });
            return;
        }

        var peers = _source.Cluster().Nodes.Count(node => node is { Self: false, Reachable: true, Status: "up" });
        var again = _readiness.Phase == NodePhase.Draining;
        _readiness.Phase = NodePhase.Draining;
        try
        {
            await WriteAsync(context, 202, DrainAnswer.Of(_nodeName, peers, _stopTimeout, again));
        }
        finally
        {
            // Behind the answer, and without it: whoever asked and hung up still asked.
            if (!again) RequestStop();
        }
    }

    private NodeStatus Status()
    {
        return new NodeStatus
        {
            Name = _nodeName,
            Version = ProgramVersion.Text,
            Phase = _readiness.Phase,
            UptimeSeconds = (long)Stopwatch.GetElapsedTime(_started).TotalSeconds,
            Addresses = Addresses,
            Readiness = _readiness.Report(),
            Connections = _metrics.Connections,
            Objects = _source.Objects(),
            Memory = _source.Memory(),
            ResidentBytes = Environment.WorkingSet,
            Members = _source.Members(),
            Cluster = _source.Cluster(),
            Pools = [.. _source.Pools().Select(PoolStatus.Of)],
        };
    }
}
