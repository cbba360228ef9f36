using System.Diagnostics;
using System.Net;
using System.Text.Json;
using Grid.Tests.Harness;
using k8s.Models;
using Xunit;
using Xunit.Abstractions;

namespace Grid.Tests.Kubernetes;

/// <summary>
/// All pods of the set, run here with exactly what the manifests give them, probed as Kubernetes does it, and restarted as Kubernetes does it: from the last to the first, each one
/// after the one before it has been ready for long enough. Each pod's network is an address of this machine; the Service is a name that means the addresses of the pods that are ready.
/// </summary>
[Collection(SeveralNodes.Name)]
public sealed class PodRunTests(ITestOutputHelper output) : IAsyncLifetime
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(120);
    private readonly PodNames _names = new();
    private readonly SortedDictionary<int, PodProcess> _running = [];
    private readonly HashSet<int> _ready = [];
    private readonly PostgresServer _server = new();
    private readonly List<LocalPod> _pods = [];
    private IReadOnlyList<V1Secret> _secrets = [];
    private Manifests? _manifests;

    private Manifests Given => _manifests ?? throw new InvalidOperationException("nothing was rendered");

    public async Task InitializeAsync()
    {
        await _server.InitializeAsync();
        _secrets = NodeSecrets.Of(await _server.NewDatabaseAsync());
    }

    public async Task DisposeAsync()
    {
        foreach (var pod in _running.Values) await pod.DisposeAsync();
        foreach (var pod in _pods) pod.Dispose();
        await _server.DisposeAsync();
        _names.Dispose();
    }

    [Fact]
    public async Task Pods_of_the_production_overlay_form_a_grid_one_is_replaced_under_load_and_none_is_ended_because_the_database_is_away()
    {
        var replicas = await FormAsync("production");
        await using var load = await StartLoadAsync();
        await RestartAsync(replicas - 1);
        await EndAsync(load);
        await MembersAsync(replicas);
        await MetricsAsync();
        await WithoutDatabaseAsync();
    }

    [Fact]
    public async Task A_rolling_restart_of_the_pods_with_every_component_under_load_fails_no_call()
    {
        var replicas = await FormAsync(Manifests.Everything);
        await using var load = await StartLoadAsync();
        for (var ordinal = replicas - 1; ordinal >= 0; ordinal--) await RestartAsync(ordinal);
        await EndAsync(load);
        await MembersAsync(replicas);
        await MetricsAsync();
    }

    private async Task<int> FormAsync(string overlay)
    {
        _manifests = await Manifests.RenderAsync(overlay);
        var replicas = Given.Nodes.Spec.Replicas!.Value;
        // Parallel: none waits for another.
        for (var ordinal = 0; ordinal < replicas; ordinal++) Start(ordinal);
        for (var ordinal = 0; ordinal < replicas; ordinal++) await WaitReadyAsync(ordinal);
        await MembersAsync(replicas);
        return replicas;
    }

    private Task<LoadProcess> StartLoadAsync()
    {
        var service = Given.One<V1Service>("grid");
        return LoadProcess.StartAsync(
            _names, $"grid://{service.Metadata.Name}.{service.Metadata.NamespaceProperty}.svc:{service.Spec.Ports[0].Port}?timeout=30s", Patience);
    }

    private async Task EndAsync(LoadProcess load)
    {
        var result = await load.EndAsync(Patience);
        output.WriteLine($"{result.Calls} calls, the longest {result.LongestMs:0} ms, {result.Failures.Count} failed, {result.Unknown} unknown");
        Assert.True(result.Failures.Count == 0, string.Join('\n', result.Failures.Take(20)));
        Assert.Equal(0, result.Unknown);
        Assert.True(result.Calls > 1000, $"{result.Calls} calls are no load");
    }

    private async Task MetricsAsync()
    {
        var path = (await Manifests.RenderAsync(Manifests.Everything)).One<ServiceMonitor>("grid").Spec.Endpoints[0].Path;
        foreach (var pod in _running.Values)
        {
            using var answer = await pod.GetAsync(path, "admin");
            Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
            Assert.Contains("grid_memory_limit_bytes", await answer.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        }
    }

    private async Task WithoutDatabaseAsync()
    {
        await _server.StopAsync();
        foreach (var pod in _running.Values)
        {
            await Eventually.TrueAsync(async () => !await pod.SucceedsAsync(Given.Container.ReadinessProbe), $"{pod.Pod.Name} is not ready", TimeSpan.FromSeconds(30));
            Assert.True(await pod.SucceedsAsync(Given.Container.LivenessProbe), $"{pod.Pod.Name} is not live");
        }

        await _server.StartAsync();
        foreach (var pod in _running.Values) await pod.WaitReadyAsync(Patience);
    }

    private void Start(int ordinal)
    {
        var pod = new LocalPod(Given, ordinal, LocalPod.AddressOf(ordinal), _secrets, ownNetwork: false);
        _pods.Add(pod);
        _running[ordinal] = PodProcess.Start(pod, Given, _names, output);
        UpdateNames();
    }

    private async Task WaitReadyAsync(int ordinal)
    {
        await _running[ordinal].WaitReadyAsync(Patience);
        _ready.Add(ordinal);
        UpdateNames();
    }

    /// <summary>Deletes the pod, starts its successor, and returns once that has been ready for <c>minReadySeconds</c> on end.</summary>
    private async Task RestartAsync(int ordinal)
    {
        _ready.Remove(ordinal);
        UpdateNames();
        var old = _running[ordinal];
        var (exitCode, took) = await old.DeleteAsync();
        Assert.True(exitCode == 0, $"{old.Pod.Name} ended with {exitCode} after {took.TotalSeconds:0.0} s\n{old.Log.Tail()}");
        _running.Remove(ordinal);
        await old.DisposeAsync();
        var clock = Stopwatch.StartNew();
        Start(ordinal);
        await WaitReadyAsync(ordinal);
        output.WriteLine($"{old.Pod.Name} stopped within {took.TotalSeconds:0.0} s and was ready again {clock.Elapsed.TotalSeconds:0.0} s later");

        var since = Stopwatch.StartNew();
        await Eventually.TrueAsync(
            async () =>
            {
                if (!await _running[ordinal].SucceedsAsync(Given.Container.ReadinessProbe)) since.Restart();
                return since.Elapsed.TotalSeconds >= (Given.Nodes.Spec.MinReadySeconds ?? 0);
            },
            $"{old.Pod.Name} stays ready", Patience);
    }

    /// <summary>Every node sees so many members, all of them up and reachable.</summary>
    private async Task MembersAsync(int count)
    {
        foreach (var pod in _running.Values)
        {
            var body = "";
            await Eventually.TrueAsync(
                async () =>
                {
                    body = await (await pod.GetAsync("/api/v1/status", "admin")).Content.ReadAsStringAsync();
                    using var status = JsonDocument.Parse(body);
                    return status.RootElement.GetProperty("members").EnumerateArray().Count(member => member.GetProperty("status").GetString() == "Up" && member.GetProperty("reachable").GetBoolean()) == count;
                },
                $"{pod.Pod.Name} sees {count} members", Patience, () => body);
        }
    }

    /// <summary>As Kubernetes does: a pod has its name as long as it exists; the Service means those that are ready.</summary>
    private void UpdateNames()
    {
        var service = Given.One<V1Service>("grid");
        var pods = _running.Values.Select(running => (running.Pod.HostName, running.Pod.Address));
        var ready = _running.Where(pair => _ready.Contains(pair.Key)).Select(pair => ($"{service.Metadata.Name}.{service.Metadata.NamespaceProperty}.svc", pair.Value.Pod.Address));
        _names.Set([.. pods, .. ready]);
    }
}
