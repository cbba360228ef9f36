using System.Text;
using System.Text.RegularExpressions;
using Grid.Tests.Tidy;
using k8s;
using k8s.Models;
using Xunit;

namespace Grid.Tests.Kubernetes;

/// <summary>That what an overlay gives to Kubernetes fits together: names, labels, ports, volumes, rights.</summary>
public sealed partial class ManifestTests
{
    /// <summary>Secrets that docs/kubernetes.md has the operator make.</summary>
    private static readonly string[] OperatorsSecrets = ["grid-journal", "grid-cluster-tls"];

    public static TheoryData<string> Overlays => new(Manifests.Overlays);

    [Fact]
    public void Every_overlay_and_component_there_is_is_tested()
    {
        var overlays = Directory.GetDirectories(Path.Combine(Manifests.Folder, "overlays")).Select(Path.GetFileName);
        Assert.Equal(Manifests.Overlays.Where(name => name != Manifests.Everything).Order(), overlays.Order());
        Assert.Equal(["cluster-tls", "service-monitor"], Directory.GetDirectories(Path.Combine(Manifests.Folder, "components")).Select(Path.GetFileName).Order());
    }

    [Fact]
    public async Task A_misspelt_field_does_not_parse()
    {
        var yaml = (await Manifests.RenderAsync("dev")).Yaml;
        foreach (var field in new[] { "terminationGracePeriodSeconds", "publishNotReadyAddresses", "maxUnavailable", "readOnlyRootFilesystem", "policyTypes" })
            Assert.ThrowsAny<Exception>(() => Manifests.Parse(yaml.Replace(field, field + "x", StringComparison.Ordinal)));
    }

    [Theory, MemberData(nameof(Overlays))]
    public async Task Every_object_has_a_name_of_its_own_in_the_one_namespace(string overlay)
    {
        var manifests = await Manifests.RenderAsync(overlay);
        var space = Assert.Single(manifests.All<V1Namespace>()).Metadata.Name;
        Assert.All(manifests.Objects.Where(found => found is not V1Namespace), found => Assert.Equal(space, found.Metadata.NamespaceProperty));
        Assert.Distinct(manifests.Objects.Select(found => (found.Kind, found.Metadata.Name)));
    }

    [Theory, MemberData(nameof(Overlays))]
    public async Task Services_and_the_set_pick_the_nodes_pods_by_ports_that_these_have(string overlay)
    {
        var manifests = await Manifests.RenderAsync(overlay);
        Assert.True(manifests.PicksNodes(manifests.Nodes.Spec.Selector.MatchLabels));

        var clients = manifests.One<V1Service>("grid").Spec;
        Assert.True(manifests.PicksNodes(clients.Selector));
        Assert.NotEqual(true, clients.PublishNotReadyAddresses);
        Assert.Equal(["data"], clients.Ports.Select(port => port.TargetPort.Value));

        var nodes = manifests.One<V1Service>(manifests.Nodes.Spec.ServiceName).Spec;
        Assert.True(manifests.PicksNodes(nodes.Selector));
        Assert.True(nodes.PublishNotReadyAddresses);
        Assert.Equal("None", nodes.ClusterIP);
        // A headless service maps no port: who asks for its number reaches the container's.
        Assert.All(nodes.Ports.Concat(clients.Ports), port => Assert.Equal(port.Port, manifests.Port(port.TargetPort.Value)));
        Assert.Equal(manifests.Container.Ports.Select(port => port.Name).Order(), nodes.Ports.Select(port => port.Name).Order());
    }

    [Theory, MemberData(nameof(Overlays))]
    public async Task Nodes_come_together_keep_apart_and_leave_one_by_one(string overlay)
    {
        var manifests = await Manifests.RenderAsync(overlay);
        var spec = manifests.Nodes.Spec;
        Assert.Equal("Parallel", spec.PodManagementPolicy);
        Assert.Equal("RollingUpdate", spec.UpdateStrategy.Type);
        Assert.True(spec.Replicas >= 3);

        var budget = Assert.Single(manifests.All<V1PodDisruptionBudget>(), found => manifests.PicksNodes(found.Spec.Selector.MatchLabels)).Spec;
        Assert.Equal("1", budget.MaxUnavailable.Value);

        var apart = spec.Template.Spec.Affinity.PodAntiAffinity;
        var terms = apart.RequiredDuringSchedulingIgnoredDuringExecution ?? [.. apart.PreferredDuringSchedulingIgnoredDuringExecution.Select(preferred => preferred.PodAffinityTerm)];
        var machine = Assert.Single(terms, term => term.TopologyKey == "kubernetes.io/hostname");
        Assert.True(manifests.PicksNodes(machine.LabelSelector.MatchLabels));
        Assert.Equal(overlay != "dev", apart.RequiredDuringSchedulingIgnoredDuringExecution is not null);
        var zone = Assert.Single(spec.Template.Spec.TopologySpreadConstraints, constraint => constraint.TopologyKey == "topology.kubernetes.io/zone");
        Assert.True(manifests.PicksNodes(zone.LabelSelector.MatchLabels));
    }

    [Theory, MemberData(nameof(Overlays))]
    public async Task Every_volume_is_mounted_every_mount_has_its_volume_and_every_name_leads_to_an_object(string overlay)
    {
        var manifests = await Manifests.RenderAsync(overlay);
        var maps = manifests.All<V1ConfigMap>().Select(map => map.Metadata.Name).ToHashSet();
        var secrets = manifests.All<V1Secret>().Select(secret => secret.Metadata.Name).Concat(overlay == "dev" ? [] : OperatorsSecrets).ToHashSet();
        foreach (var set in manifests.All<V1StatefulSet>())
        {
            var pod = set.Spec.Template.Spec;
            var volumes = (pod.Volumes ?? []).Select(volume => volume.Name).Concat((set.Spec.VolumeClaimTemplates ?? []).Select(claim => claim.Metadata.Name));
            var container = Assert.Single(pod.Containers);
            Assert.Equal(volumes.Order(), container.VolumeMounts.Select(mount => mount.Name).Order());
            Assert.Distinct(container.VolumeMounts.Select(mount => mount.MountPath));
            foreach (var volume in pod.Volumes ?? [])
            {
                if (volume.ConfigMap is { } map) Assert.Contains(map.Name, maps);
                else if (volume.Secret is { } secret) Assert.Contains(secret.SecretName, secrets);
                else Assert.NotNull(volume.EmptyDir);
            }

            var keys = (container.Env ?? []).Select(variable => variable.ValueFrom?.SecretKeyRef).OfType<V1SecretKeySelector>();
            Assert.All(keys, key => Assert.Contains(key.Key, manifests.One<V1Secret>(key.Name).Data.Keys));
            if (pod.ServiceAccountName is { } account) Assert.False(manifests.One<V1ServiceAccount>(account).AutomountServiceAccountToken);
        }
    }

    [Theory, MemberData(nameof(Overlays))]
    public async Task Every_pod_satisfies_the_restricted_standard_and_writes_nothing_into_its_image(string overlay)
    {
        var manifests = await Manifests.RenderAsync(overlay);
        Assert.Equal("restricted", Assert.Single(manifests.All<V1Namespace>()).Metadata.Labels["pod-security.kubernetes.io/enforce"]);
        Assert.All(manifests.All<V1StatefulSet>().Select(set => set.Spec.Template.Spec), pod =>
        {
            Assert.False(pod.AutomountServiceAccountToken);
            Assert.False(pod.EnableServiceLinks);
            Assert.True(pod.SecurityContext.RunAsNonRoot);
            Assert.True(pod.SecurityContext.RunAsUser > 0);
            Assert.True(pod.SecurityContext.RunAsGroup > 0);
            // The group may read what is mounted.
            Assert.Equal(pod.SecurityContext.RunAsGroup, pod.SecurityContext.FsGroup);
            Assert.Equal("RuntimeDefault", pod.SecurityContext.SeccompProfile.Type);
            Assert.All(pod.Containers, container =>
            {
                Assert.False(container.SecurityContext.AllowPrivilegeEscalation);
                Assert.True(container.SecurityContext.ReadOnlyRootFilesystem);
                Assert.Equal(["ALL"], container.SecurityContext.Capabilities.Drop);
                Assert.Null(container.SecurityContext.Capabilities.Add);
                Assert.NotEqual(true, container.SecurityContext.Privileged);
                Assert.All(container.VolumeMounts, mount => Assert.Null(pod.Volumes?.FirstOrDefault(volume => volume.Name == mount.Name)?.HostPath));
                Assert.Contains(container.VolumeMounts, mount => mount.MountPath == "/tmp");
            });
        });
    }

    [Theory, MemberData(nameof(Overlays))]
    public async Task The_network_policy_lets_in_and_out_what_the_nodes_need_and_no_more(string overlay)
    {
        var manifests = await Manifests.RenderAsync(overlay);
        var policy = Assert.Single(manifests.All<V1NetworkPolicy>(), found => manifests.PicksNodes(found.Spec.PodSelector.MatchLabels)).Spec;
        Assert.Equal(["Egress", "Ingress"], policy.PolicyTypes.Order());
        int[] all = [manifests.Port("data"), manifests.Port("admin"), manifests.Port("cluster")];

        bool IsNodes(V1NetworkPolicyPeer peer) => peer.NamespaceSelector is null && peer.IpBlock is null && manifests.PicksNodes(peer.PodSelector?.MatchLabels);
        static IEnumerable<int> Ports(IEnumerable<V1NetworkPolicyPort> ports) => ports.Select(port => int.Parse(port.Port.Value)).Distinct().Order();

        // From strangers: one port a rule, and never the control plane's.
        Assert.All(policy.Ingress, rule => Assert.NotEmpty(rule.FromProperty));
        var strangers = policy.Ingress.Where(rule => !rule.FromProperty.All(IsNodes)).ToList();
        Assert.Equal([manifests.Port("data"), manifests.Port("admin")], strangers.Select(rule => Assert.Single(Ports(rule.Ports))));
        Assert.All(strangers.SelectMany(rule => rule.FromProperty), peer => Assert.False(peer.PodSelector?.MatchLabels is null && peer.NamespaceSelector?.MatchLabels is null));
        var among = Assert.Single(policy.Ingress, rule => rule.FromProperty.All(IsNodes));
        Assert.Equal(all.Order(), Ports(among.Ports));

        Assert.Equal(all.Order(), Ports(Assert.Single(policy.Egress, rule => rule.To?.All(IsNodes) == true).Ports));
        var dns = Assert.Single(policy.Egress, rule => rule.Ports.Any(port => port.Protocol == "UDP"));
        Assert.Equal(["TCP 53", "UDP 53"], dns.Ports.Select(port => $"{port.Protocol} {port.Port.Value}").Order());
        var database = Assert.Single(policy.Egress, rule => rule.Ports.Any(port => port.Port.Value == "5432"));
        Assert.Single(database.Ports);
        Assert.Equal(3, policy.Egress.Count);
        if (overlay == "dev")
        {
            var labels = Assert.Single(database.To).PodSelector.MatchLabels;
            Assert.True(labels.All(manifests.One<V1StatefulSet>("postgres").Spec.Template.Metadata.Labels.Contains));
        }
    }

    [Fact]
    public async Task The_service_monitor_reads_metrics_of_every_node_from_a_port_of_the_headless_service()
    {
        var manifests = await Manifests.RenderAsync(Manifests.Everything);
        var monitor = manifests.One<ServiceMonitor>("grid").Spec;
        var endpoint = Assert.Single(monitor.Endpoints);
        Assert.Equal("/metrics", endpoint.Path);
        var picked = Assert.Single(manifests.All<V1Service>(), service => monitor.Selector.MatchLabels.All(service.Metadata.Labels.Contains));
        Assert.Equal(manifests.Nodes.Spec.ServiceName, picked.Metadata.Name);
        Assert.Equal(manifests.Port("admin"), Assert.Single(picked.Spec.Ports, port => port.Name == endpoint.Port).Port);
    }

    [Fact]
    public async Task The_overlay_that_docs_kubernetes_shows_can_be_installed()
    {
        var manifests = await Manifests.RenderOwnAsync(Assert.Single(YamlBlock().Matches(Sources.Of("docs/kubernetes.md").Text)).Groups[1].Value);
        Assert.Equal("registry.example.com/grid-node:0.1.0", manifests.Container.Image);
        Assert.Equal("32Gi", manifests.Container.Resources.Limits["memory"].ToString());
        Assert.Equal((await Manifests.RenderAsync(Manifests.Everything)).Objects.Select(found => found.Kind), manifests.Objects.Select(found => found.Kind));
        var database = Assert.Single(manifests.One<V1NetworkPolicy>("grid").Spec.Egress, rule => rule.Ports.Any(port => port.Port.Value == "5432"));
        Assert.Equal("10.20.30.40/32", Assert.Single(database.To).IpBlock.Cidr);
    }

    [Fact]
    public async Task The_dev_database_is_the_one_that_the_nodes_are_told_of()
    {
        var manifests = await Manifests.RenderAsync("dev");
        var volume = Assert.Single(manifests.Nodes.Spec.Template.Spec.Volumes, found => found.Secret is not null);
        var text = Encoding.UTF8.GetString(manifests.One<V1Secret>(volume.Secret.SecretName).Data["connection-string"]);
        var told = new Npgsql.NpgsqlConnectionStringBuilder(text);

        var database = manifests.One<V1StatefulSet>("postgres").Spec;
        var container = Assert.Single(database.Template.Spec.Containers);
        string Variable(string name) => container.Env.Single(variable => variable.Name == name).Value;
        Assert.Equal((Variable("POSTGRES_USER"), Variable("POSTGRES_DB")), (told.Username, told.Database));
        var password = container.Env.Single(variable => variable.Name == "POSTGRES_PASSWORD").ValueFrom.SecretKeyRef;
        Assert.Equal(Encoding.UTF8.GetString(manifests.One<V1Secret>(password.Name).Data[password.Key]), told.Password);

        var service = manifests.One<V1Service>(told.Host!).Spec;
        Assert.True(service.Selector.All(database.Template.Metadata.Labels.Contains));
        Assert.Equal(told.Port, Assert.Single(service.Ports).Port);
        Assert.Equal(told.Port, Assert.Single(container.Ports).ContainerPort);
        Assert.Equal(1, database.Replicas);
    }

    [GeneratedRegex(@"```yaml\n(.*?)```", RegexOptions.Singleline)]
    private static partial Regex YamlBlock();
}
