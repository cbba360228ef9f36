using System.Collections.Concurrent;
using Grid.Tests.Harness;
using Grid.Tests.Hosting;
using k8s;
using k8s.Models;
using Xunit;

namespace Grid.Tests.Kubernetes;

/// <summary>The objects that one way to install the Grid gives to Kubernetes, parsed strictly: a field that Kubernetes does not know fails.</summary>
internal sealed class Manifests
{
    /// <summary>The overlay that is production with every component.</summary>
    public const string Everything = "everything";

    private static readonly ConcurrentDictionary<string, string> Rendered = new();

    private static readonly Dictionary<string, Type> CustomKinds = new() { [ServiceMonitor.TypeName] = typeof(ServiceMonitor) };

    private Manifests(string yaml)
    {
        Yaml = yaml;
        Objects = Parse(yaml);
    }

    /// <summary>Every way to install.</summary>
    public static string[] Overlays { get; } = ["dev", "production", Everything];

    /// <summary>Where the manifests lie.</summary>
    public static string Folder { get; } = Path.Combine(Repository.Root, "k8s");

    /// <summary>What kustomize printed.</summary>
    public string Yaml { get; }

    public IReadOnlyList<IKubernetesObject<V1ObjectMeta>> Objects { get; }

    /// <summary>The StatefulSet of the nodes.</summary>
    public V1StatefulSet Nodes => One<V1StatefulSet>("grid");

    /// <summary>A node's container.</summary>
    public V1Container Container => Assert.Single(Nodes.Spec.Template.Spec.Containers);

    /// <summary>Parses an overlay, rendered once in a test run.</summary>
    public static async Task<Manifests> RenderAsync(string overlay)
    {
        if (!Rendered.TryGetValue(overlay, out var yaml))
        {
            yaml = await (overlay == Everything ? RenderEverythingAsync() : Kustomize.RenderAsync(Path.Combine(Folder, "overlays", overlay)));
            Rendered[overlay] = yaml;
        }

        return new Manifests(yaml);
    }

    /// <summary>Renders and parses a kustomization of an operator's own.</summary>
    /// <param name="kustomization">Its text; the repository's <c>k8s</c> is <c>../grid/k8s</c> in it.</param>
    public static async Task<Manifests> RenderOwnAsync(string kustomization) => new(await RenderTextAsync(kustomization));

    private static Task<string> RenderEverythingAsync()
    {
        var components = Directory.GetDirectories(Path.Combine(Folder, "components")).Select(path => $"../grid/k8s/components/{Path.GetFileName(path)}");
        return RenderTextAsync($"""
            namespace: grid
            resources: [../grid/k8s/overlays/production]
            components: [{string.Join(", ", components)}]
            """);
    }

    private static async Task<string> RenderTextAsync(string kustomization)
    {
        using var folder = new TestFolder();
        var text = kustomization.Replace("../grid/k8s", Path.GetRelativePath(folder.Path, Folder), StringComparison.Ordinal);
        await File.WriteAllTextAsync(folder.Combine("kustomization.yaml"), text);
        return await Kustomize.RenderAsync(folder.Path);
    }

    /// <summary>Parses strictly.</summary>
    public static IReadOnlyList<IKubernetesObject<V1ObjectMeta>> Parse(string yaml) =>
        [.. KubernetesYaml.LoadAllFromString(yaml, CustomKinds, strict: true).Cast<IKubernetesObject<V1ObjectMeta>>()];

    public IEnumerable<T> All<T>() => Objects.OfType<T>();

    public T One<T>(string name) where T : IKubernetesObject<V1ObjectMeta> => Assert.Single(All<T>(), found => found.Metadata.Name == name);

    /// <summary>Whether a selector of labels picks a node's pod.</summary>
    public bool PicksNodes(IDictionary<string, string>? labels) => labels is { Count: > 0 } && labels.All(Nodes.Spec.Template.Metadata.Labels.Contains);

    /// <summary>The number of a named port of a node's container.</summary>
    public int Port(string name) => Assert.Single(Container.Ports, port => port.Name == name).ContainerPort;
}
