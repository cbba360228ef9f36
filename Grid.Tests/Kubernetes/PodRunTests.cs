using System.Net;
using Grid.Tests.Harness;
using Xunit;
using Xunit.Abstractions;

namespace Grid.Tests.Kubernetes;

/// <summary>A pod of the production overlay, run here with exactly what the manifests give it.</summary>
[Collection(OwnNodes.Name)]
public sealed class PodRunTests(ITestOutputHelper output)
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(90);

    [Fact]
    public async Task The_first_pod_comes_up_answers_its_probes_and_ends_in_time_when_it_is_deleted()
    {
        await using var server = await PostgresServer.StartNewAsync();
        var manifests = await Manifests.RenderAsync("production");
        using var names = new PodNames();
        using var pod = new LocalPod(manifests, 0, "127.0.0.11", NodeSecrets.Of(await server.NewDatabaseAsync()), ownNetwork: false);
        await using var container = PodProcess.Start(pod, manifests, names, output);

        await container.WaitReadyAsync(Patience);
        Assert.True(await container.SucceedsAsync(manifests.Container.LivenessProbe));
        Assert.Equal(HttpStatusCode.OK, (await container.GetAsync((await Manifests.RenderAsync(Manifests.Everything)).One<ServiceMonitor>("grid").Spec.Endpoints[0].Path, "admin")).StatusCode);
        // It goes by its pod's name, which it cannot look up.
        Assert.Contains($"akka.tcp://grid@{pod.HostName}:7072", await (await container.GetAsync("/api/v1/status", "admin")).Content.ReadAsStringAsync(), StringComparison.Ordinal);

        // Without its database it is not ready, and not started anew either.
        await server.StopAsync();
        await Eventually.TrueAsync(async () => !await container.SucceedsAsync(manifests.Container.ReadinessProbe), "the pod is not ready", TimeSpan.FromSeconds(30));
        Assert.True(await container.SucceedsAsync(manifests.Container.LivenessProbe));
        await server.StartAsync();
        await container.WaitReadyAsync(Patience);

        var (exitCode, took) = await container.DeleteAsync();
        output.WriteLine($"ended within {took.TotalSeconds:0.0} s");
        Assert.True(exitCode == 0, $"exit code {exitCode}\n{container.Log.Tail()}");
        Assert.DoesNotContain("fail:", string.Join('\n', container.Log.Lines()), StringComparison.Ordinal);
    }
}
