using System.Text.Json;
using Akka.Actor;
using Grid.Node.Hosting;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Logging;

namespace Grid.Node.Cluster.Formation;

/// <summary>Answers the questions of other nodes over HTTP: <c>POST /contact</c> on <c>grid.cluster.formation.contact-port</c> of <c>grid.cluster.host</c>.</summary>
internal sealed class ContactServer : IAsyncDisposable
{
    /// <summary>The one path there is.</summary>
    public const string Path = "/contact";

    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(2);
    private readonly WebApplication _app;

    private ContactServer(WebApplication app) => _app = app;

    /// <summary>Listens.</summary>
    /// <param name="settings">Where.</param>
    /// <param name="door">Who answers.</param>
    /// <param name="loggers">The log.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <exception cref="StartupException">The address cannot be had.</exception>
    public static async Task<ContactServer> StartAsync(ClusterSettings settings, IActorRef door, ILoggerFactory loggers, CancellationToken cancellation)
    {
        var endPoint = await Binding.ResolveAsync("grid.cluster", settings.Host, settings.Formation.ContactPort, cancellation);
        var builder = Servers.CreateBuilder(loggers);
        builder.WebHost.ConfigureKestrel(kestrel =>
        {
            kestrel.Listen(endPoint, listen => listen.Protocols = HttpProtocols.Http1);
            kestrel.Limits.MaxConcurrentConnections = 256;
            kestrel.Limits.MaxRequestBodySize = DoorJson.BytesMax;
            kestrel.Limits.RequestHeadersTimeout = Patience;
        });
        var app = builder.Build();
        app.MapPost(Path, (RequestDelegate)(context => AnswerAsync(context, door)));
        try
        {
            await Binding.StartAsync(app, "grid.cluster", endPoint, cancellation, "grid.cluster.formation.contact-port");
            return new ContactServer(app);
        }
        catch
        {
            await app.DisposeAsync();
            throw;
        }
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => _app.DisposeAsync();

    private static async Task AnswerAsync(HttpContext context, IActorRef door)
    {
        ContactQuestion? question;
        try
        {
            question = await context.Request.ReadFromJsonAsync<ContactQuestion>(DoorJson.Options, context.RequestAborted);
        }
        catch (JsonException)
        {
            question = null;
        }

        if (question == null)
        {
            context.Response.StatusCode = StatusCodes.Status400BadRequest;
            return;
        }

        try
        {
            var answer = await door.Ask<ContactAnswer>(question, Patience, context.RequestAborted);
            await context.Response.WriteAsJsonAsync(answer, DoorJson.Options, context.RequestAborted);
        }
        catch (AskTimeoutException)
        {
            context.Response.StatusCode = StatusCodes.Status503ServiceUnavailable;
        }
    }
}
