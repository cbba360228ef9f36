using System.Text;
using System.Text.RegularExpressions;
using Grid.Tests.Harness;
using k8s.Models;
using Xunit;

namespace Grid.Tests.Kubernetes;

/// <summary>
/// One pod of the StatefulSet as a kubelet would make it, on this machine: its environment with what the downward API fills in, its arguments, and its volumes as folders.
/// Paths of the container become paths of these folders, in arguments, environment and mounted files; nothing else differs.
/// </summary>
internal sealed class LocalPod : IDisposable
{
    private readonly TestFolder _folder = new();
    private readonly Manifests _manifests;
    private readonly Dictionary<string, string> _local = [];
    private readonly Regex _paths;
    private readonly string _everyInterface;

    /// <summary>Makes the pod.</summary>
    /// <param name="manifests">What Kubernetes was given.</param>
    /// <param name="ordinal">Which pod of the set.</param>
    /// <param name="address">The pod's address.</param>
    /// <param name="secrets">Secrets that the operator makes.</param>
    /// <param name="program">Folder of the node's program, which is <c>/app</c> in the image; null: an empty folder, for a mount.</param>
    /// <param name="ownNetwork">False: the pod has no network of its own, and "every interface" is its address.</param>
    public LocalPod(
        Manifests manifests, int ordinal, string address, IReadOnlyList<V1Secret> secrets, string? program = null, bool ownNetwork = true)
    {
        _manifests = manifests;
        _everyInterface = ownNetwork ? "0.0.0.0" : address;
        Name = $"{manifests.Nodes.Metadata.Name}-{ordinal}";
        Address = address;
        var container = manifests.Container;
        _local["/app"] = program?.TrimEnd('/') ?? Directory.CreateDirectory(_folder.Combine("app")).FullName;
        foreach (var mount in container.VolumeMounts) _local[mount.MountPath] = Directory.CreateDirectory(_folder.Combine($"volume-{mount.Name}")).FullName;
        // A whole path, not the beginning or the end of another name.
        _paths = new Regex($@"(?<=^|[""= :,])({string.Join('|', _local.Keys.Select(Regex.Escape))})(?=$|[/"" ;:,\n])");
        foreach (var mount in container.VolumeMounts) Fill(_local[mount.MountPath], Assert.Single(manifests.Nodes.Spec.Template.Spec.Volumes, volume => volume.Name == mount.Name), secrets);
        Environment = Expand(container.Env);
        Arguments = [.. container.Args.Select(argument => Local(Substitute(argument, Environment)))];
    }

    public string Name { get; }

    public string Address { get; }

    /// <summary>A loopback address that no other test run on this machine gives to a pod, as far as its process id can tell.</summary>
    public static string AddressOf(int ordinal) => $"127.{64 + (System.Environment.ProcessId % 128)}.251.{11 + ordinal}";

    /// <summary>Where all of it lies.</summary>
    public string Folder => _folder.Path;

    /// <summary>The name under which other pods find this one.</summary>
    public string HostName => $"{Name}.{_manifests.Nodes.Spec.ServiceName}.{_manifests.Nodes.Metadata.NamespaceProperty}.svc";

    /// <summary>The container's environment, paths mapped.</summary>
    public IReadOnlyDictionary<string, string> Environment { get; }

    /// <summary>The container's arguments, paths mapped.</summary>
    public IReadOnlyList<string> Arguments { get; }

    /// <summary>A text with paths of the container: where these lie on this machine.</summary>
    public string Local(string text) => _paths.Replace(text, path => _local[path.Value]).Replace("0.0.0.0", _everyInterface, StringComparison.Ordinal);

    public void Dispose() => _folder.Dispose();

    private void Fill(string folder, V1Volume volume, IReadOnlyList<V1Secret> secrets)
    {
        // Latin 1, for a file need not be a text: every byte is a character, and comes out as it was.
        foreach (var (name, bytes) in Files(volume, secrets)) File.WriteAllText(Path.Combine(folder, name), Local(Encoding.Latin1.GetString(bytes)), Encoding.Latin1);
    }

    private IDictionary<string, byte[]> Files(V1Volume volume, IReadOnlyList<V1Secret> secrets)
    {
        if (volume.EmptyDir is not null) return new Dictionary<string, byte[]>();
        if (volume.ConfigMap is { } map) return _manifests.One<V1ConfigMap>(map.Name).Data.ToDictionary(entry => entry.Key, entry => Encoding.UTF8.GetBytes(entry.Value));
        return Assert.Single(secrets.Concat(_manifests.All<V1Secret>()), secret => secret.Metadata.Name == volume.Secret.SecretName).Data;
    }

    private Dictionary<string, string> Expand(IEnumerable<V1EnvVar> variables)
    {
        // A variable may use those before it.
        var result = new Dictionary<string, string>();
        foreach (var variable in variables)
        {
            var value = variable.ValueFrom is { } source ? Downward(source) : Substitute(variable.Value ?? "", result);
            result[variable.Name] = Local(value);
        }

        return result;
    }

    private string Downward(V1EnvVarSource source)
    {
        return source.FieldRef?.FieldPath switch
        {
            "metadata.name" => Name,
            "metadata.namespace" => _manifests.Nodes.Metadata.NamespaceProperty,
            "status.podIP" => Address,
            var other => throw new InvalidOperationException($"a kubelet's {other ?? "other sources"} is not known here"),
        };
    }

    /// <summary><c>$(NAME)</c> becomes the variable's value; one that does not exist fails here (a kubelet leaves the text as it is).</summary>
    private static string Substitute(string text, IReadOnlyDictionary<string, string> variables)
    {
        foreach (var (name, value) in variables) text = text.Replace($"$({name})", value, StringComparison.Ordinal);
        return text.Contains("$(", StringComparison.Ordinal) ? throw new InvalidOperationException($"no variable for {text}") : text;
    }
}
