using Grid.Node.Hosting;
using Grid.Node.Journal;
using k8s.Models;
using Xunit;

namespace Grid.Tests.Kubernetes;

/// <summary>What the pods tell their nodes, read by the node's own reader: misspelt, wrong and contradictory settings fail.</summary>
public sealed class PodSettingsTests
{
    private const string ConnectionString = "Host=db;Username=grid;Password=x;Database=grid";

    /// <summary>What the runtime and its buffers may take beside the limit: docs/operations.md.</summary>
    private const long RoomBytes = 150L << 20;

    public static TheoryData<string> Overlays => new(Manifests.Overlays);

    [Theory, MemberData(nameof(Overlays))]
    public async Task Every_pod_has_addresses_of_its_own_that_the_others_are_told(string overlay)
    {
        var manifests = await Manifests.RenderAsync(overlay);
        var seeds = new HashSet<string>();
        var own = new List<string>();
        for (var ordinal = 0; ordinal < manifests.Nodes.Spec.Replicas; ordinal++)
        {
            using var pod = PodOf(manifests, ordinal);
            var settings = Read(pod, manifests);
            Assert.Equal(pod.Name, settings.Node.Name);
            Assert.Equal(pod.HostName, settings.Cluster.Host);
            // Its name need not be known to it, nor to anybody, when it starts.
            Assert.Equal(pod.Address, settings.Cluster.BindHost);
            Assert.Equal($"{pod.HostName}:{manifests.Port("data")}", settings.Gateway.PublicAddress);
            Assert.Equal("0.0.0.0", settings.Gateway.Host);
            Assert.Equal("0.0.0.0", settings.Admin.Host);
            Assert.Equal(
                (manifests.Port("data"), manifests.Port("admin"), manifests.Port("cluster")), (settings.Gateway.Port, settings.Admin.Port, settings.Cluster.Port));
            seeds.Add(string.Join(',', settings.Cluster.SeedNodes));
            own.Add($"{settings.Cluster.Host}:{settings.Cluster.Port}");
        }

        // The same list on all nodes, and all of it are pods that there are.
        var list = Assert.Single(seeds).Split(',');
        Assert.Equal(3, list.Length);
        Assert.Subset(own.ToHashSet(), list.ToHashSet());
    }

    [Theory, MemberData(nameof(Overlays))]
    public async Task Pages_are_kept_in_PostgreSQL_whose_secret_is_read_from_its_mount(string overlay)
    {
        var manifests = await Manifests.RenderAsync(overlay);
        using var pod = PodOf(manifests, 0);
        var journal = Read(pod, manifests).Journal;
        Assert.Equal(JournalProvider.PostgreSql, journal.Provider);
        if (overlay == "dev") Assert.Contains("Host=postgres;", journal.ConnectionString, StringComparison.Ordinal);
        else Assert.Equal(ConnectionString, journal.ConnectionString);
        // Not through the environment, which every process of the container and everybody who may read the pod sees.
        Assert.DoesNotContain(manifests.Container.Env, variable => variable.Name.Contains("CONNECTION_STRING", StringComparison.OrdinalIgnoreCase));
    }

    [Theory, MemberData(nameof(Overlays))]
    public async Task The_memory_limit_is_a_part_of_the_containers_and_leaves_room(string overlay)
    {
        var manifests = await Manifests.RenderAsync(overlay);
        using var pod = PodOf(manifests, 0);
        var container = Bytes(manifests.Container.Resources.Limits["memory"]);
        Assert.Equal(container, Bytes(manifests.Container.Resources.Requests["memory"]));
        var limit = Read(pod, manifests).Memory.LimitBytes;
        Assert.InRange(limit, container * 3 / 4, container - RoomBytes);
        // A share, so that nobody has to change two numbers.
        Assert.InRange(Read(pod, manifests, container * 2).Memory.LimitBytes, limit * 2, limit * 2 + 1);
    }

    [Theory, MemberData(nameof(Overlays))]
    public async Task The_node_ends_its_graceful_stop_before_Kubernetes_ends_it(string overlay)
    {
        var manifests = await Manifests.RenderAsync(overlay);
        using var pod = PodOf(manifests, 0);
        var grace = TimeSpan.FromSeconds(manifests.Nodes.Spec.Template.Spec.TerminationGracePeriodSeconds!.Value);
        Assert.InRange(grace, Read(pod, manifests).Stop.Timeout + TimeSpan.FromSeconds(10), TimeSpan.FromMinutes(2));
        Assert.Null(manifests.Container.Lifecycle?.PreStop);
    }

    [Theory, MemberData(nameof(Overlays))]
    public async Task What_the_node_writes_lies_in_a_volume(string overlay)
    {
        var manifests = await Manifests.RenderAsync(overlay);
        using var pod = PodOf(manifests, 0);
        var mount = Assert.Single(manifests.Container.VolumeMounts, found => pod.Local(found.MountPath) == Read(pod, manifests).Node.DataDirectory);
        Assert.NotEqual(true, mount.ReadOnlyProperty);
        Assert.NotNull(Assert.Single(manifests.Nodes.Spec.Template.Spec.Volumes, volume => volume.Name == mount.Name).EmptyDir);
    }

    [Theory, MemberData(nameof(Overlays))]
    public async Task Probes_ask_the_admin_port_for_paths_that_it_answers(string overlay)
    {
        var manifests = await Manifests.RenderAsync(overlay);
        var (startup, live, ready) = (manifests.Container.StartupProbe, manifests.Container.LivenessProbe, manifests.Container.ReadinessProbe);
        Assert.Equal(["/health/live", "/health/live", "/health/ready"], ((V1Probe[])[startup, live, ready]).Select(probe => probe.HttpGet.Path));
        Assert.All([startup, live, ready], probe => Assert.Equal("admin", probe.HttpGet.Port.Value));
        // A pause that the cluster forgives is no reason to be started anew.
        Assert.InRange(live.PeriodSeconds!.Value * live.FailureThreshold!.Value, 30, 120);
        Assert.InRange(ready.PeriodSeconds!.Value * ready.FailureThreshold!.Value, 1, 10);
    }

    [Fact]
    public async Task A_misspelt_setting_in_the_pods_is_found()
    {
        var manifests = await Manifests.RenderAsync("production");
        manifests.Container.Env.Add(new V1EnvVar { Name = "GRID__GATEWAY__PROT", Value = "1" });
        using var pod = PodOf(manifests, 0);
        Assert.Contains("grid.gateway.prot", Assert.Throws<StartupException>(() => Read(pod, manifests)).Message);
    }

    private static LocalPod PodOf(Manifests manifests, int ordinal) =>
        new(manifests, ordinal, LocalPod.AddressOf(ordinal), NodeSecrets.Of(ConnectionString), AppContext.BaseDirectory);

    private static GridSettings Read(LocalPod pod, Manifests manifests, long? memoryBytes = null)
    {
        var command = NodeCommandLine.Parse(pod.Arguments);
        var layers = SettingLayers.Load(command.Files, pod.Environment, command.Overrides);
        var settings = GridSettingsReader.Read(layers, command.BaseDirectory, memoryBytes ?? Bytes(manifests.Container.Resources.Limits["memory"]));
        AkkaConfig.Build(settings);
        return settings;
    }

    private static long Bytes(ResourceQuantity quantity) => (long)quantity.ToDecimal();
}
