using System.Diagnostics;
using System.Net.Http.Json;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Grid.Cli.Cluster;

/// <summary>Asks nodes over HTTP for what they say of themselves and the cluster.</summary>
/// <param name="timeout">How long one answer may take.</param>
internal sealed class AdminClient(TimeSpan timeout) : IDisposable
{
    private const string StatusPath = "/api/v1/status";

    /// <summary>How long a node other than the one that was asked may take for its own figures.</summary>
    public static readonly TimeSpan OthersTimeout = TimeSpan.FromSeconds(2);

    private readonly HttpClient _http = new() { Timeout = timeout };

    /// <summary>A client that waits as long as an operation may take, 5 s at most.</summary>
    public static AdminClient For(CliSession session) => new(TimeSpan.FromSeconds(Math.Min(5, session.Options.Timeout.TotalSeconds)));

    /// <inheritdoc/>
    public void Dispose() => _http.Dispose();

    /// <summary>A node's status; null where nobody answers.</summary>
    /// <exception cref="CliException">What answers is no node.</exception>
    public async Task<JsonObject?> StatusAsync(Uri admin, CancellationToken cancellation)
    {
        try
        {
            return await _http.GetFromJsonAsync<JsonObject>(new Uri(admin, StatusPath), cancellation);
        }
        catch (Exception e) when (IsSilence(e, cancellation))
        {
            return null;
        }
        catch (Exception e) when (e is HttpRequestException or JsonException)
        {
            throw CliException.Failed($"{admin} is not a node's admin address: {e.Message}");
        }
    }

    /// <summary>The cluster as a node sees it, with each other node's own figures; null where nobody answers.</summary>
    /// <exception cref="CliException">What answers is no node.</exception>
    public async Task<ClusterReport?> ReportAsync(Uri admin, CancellationToken cancellation)
    {
        if (await StatusAsync(admin, cancellation) is not { } asked) return null;
        var nodes = Json.Objects(asked["cluster"]?["nodes"]).Select(MemberReport.Of).ToArray();
        return new ClusterReport(asked, await Task.WhenAll(nodes.Select(node => FiguresAsync(node, asked, cancellation))));
    }

    /// <summary>Asks a node to drain.</summary>
    /// <returns>What it answered.</returns>
    /// <exception cref="CliException">Nobody answers, or it refuses.</exception>
    public async Task<JsonObject> DrainAsync(Uri admin, CancellationToken cancellation)
    {
        try
        {
            using var answer = await _http.PostAsync(new Uri(admin, "/api/v1/drain"), content: null, cancellation);
            if (answer.StatusCode != System.Net.HttpStatusCode.Accepted)
                throw CliException.Failed($"{admin} does not drain: HTTP {(int)answer.StatusCode} (is it a node's admin address, and a node that can?)");
            return await answer.Content.ReadFromJsonAsync<JsonObject>(cancellation) ?? [];
        }
        catch (Exception e) when (IsSilence(e, cancellation))
        {
            throw Nobody(admin);
        }
        catch (JsonException e)
        {
            throw CliException.Failed($"{admin} is not a node's admin address: {e.Message}");
        }
    }

    /// <summary>What is said where nobody answers.</summary>
    public static CliException Nobody(Uri admin) => new(ExitCodes.CannotConnect, $"cannot connect to {admin.GetLeftPart(UriPartial.Authority)}: no answer (is a node running there? --admin or GRID_ADMIN names another one)");

    /// <summary>Whether nobody answered, or not in time.</summary>
    private static bool IsSilence(Exception exception, CancellationToken cancellation) =>
        exception is HttpRequestException { StatusCode: null } || (exception is OperationCanceledException && !cancellation.IsCancellationRequested);

    private async Task<MemberReport> FiguresAsync(MemberReport node, JsonObject asked, CancellationToken cancellation)
    {
        if (node.IsSelf) return node with { Figures = asked };
        if (node.Admin is not { } admin) return node with { Silence = "it has not said where its admin address is" };
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        patience.CancelAfter(OthersTimeout);
        var asking = Stopwatch.StartNew();
        try
        {
            var figures = await _http.GetFromJsonAsync<JsonObject>(new Uri(admin, StatusPath), patience.Token);
            // Another one may listen there by now.
            return figures is not null && (node.Name.Length == 0 || Json.Text(figures["name"]) == node.Name)
                ? node with { Figures = figures }
                : node with { Silence = $"at {admin.Authority} {Json.Text(figures?["name"])} answers" };
        }
        catch (Exception e) when (IsSilence(e, cancellation))
        {
            return node with { Silence = e is OperationCanceledException ? $"no answer at {admin.Authority} within {asking.Elapsed.TotalSeconds:0.#} s" : $"no answer at {admin.Authority}" };
        }
        catch (Exception e) when (e is HttpRequestException or JsonException)
        {
            return node with { Silence = $"at {admin.Authority} no node answers: {e.Message}" };
        }
    }
}
