using System.Net.Http.Json;
using System.Text.Json;
using Akka.Actor;
using Akka.Discovery;
using Grid.Node.Hosting;
using Microsoft.Extensions.Logging;

namespace Grid.Node.Cluster.Formation;

/// <summary>
/// The addresses of a service are asked over HTTP: remoting drops what is not addressed by the name that the receiver knows itself by, which is what is asked for.
/// </summary>
internal sealed class ServiceLine : IContactLine, IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(2);

    private readonly HttpClient _http = new(new SocketsHttpHandler { UseProxy = false, AllowAutoRedirect = false, ConnectTimeout = Patience })
    {
        Timeout = Patience,
        MaxResponseContentBufferSize = DoorJson.BytesMax,
    };

    private readonly ServiceDiscovery _discovery;
    private readonly string _service;
    private readonly ILogger _log;

    /// <summary>A way to the nodes behind a service's name.</summary>
    public ServiceLine(ServiceDiscovery discovery, string service, ILogger log) => (_discovery, _service, _log) = (discovery, service, log);

    /// <inheritdoc/>
    public async Task<IReadOnlyList<string>> FindAsync()
    {
        var resolved = await _discovery.Lookup(_service, Patience);
        return [.. resolved.Addresses.Select(target => Binding.Text(target.Host, target.Port!.Value))];
    }

    /// <inheritdoc/>
    public void Ask(string contact, ContactQuestion question, IActorRef door) => _ = AskAsync(contact, question, door);

    /// <inheritdoc/>
    public void Dispose() => _http.Dispose();

    private async Task AskAsync(string contact, ContactQuestion question, IActorRef door)
    {
        try
        {
            using var response = await _http.PostAsJsonAsync(new Uri($"http://{contact}{ContactServer.Path}"), question, DoorJson.Options);
            response.EnsureSuccessStatusCode();
            var answer = await response.Content.ReadFromJsonAsync<ContactAnswer>(DoorJson.Options);
            if (answer != null) door.Tell(answer);
        }
        catch (Exception e) when (e is HttpRequestException or TaskCanceledException or JsonException or ObjectDisposedException)
        {
            // A contact that does not answer is an ordinary thing here: the door says which are silent.
            _log.LogDebug("No answer from {Contact}: {Reason}", contact, e.Message);
        }
    }
}
