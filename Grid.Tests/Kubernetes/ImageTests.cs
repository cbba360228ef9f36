using System.Text.Json;
using System.Text.RegularExpressions;
using System.Xml.Linq;
using Grid.Tests.Hosting;
using Grid.Tests.Tidy;
using Xunit;

namespace Grid.Tests.Kubernetes;

/// <summary>That the Dockerfile, the SDK's container publishing and the manifests speak of the same image.</summary>
public sealed partial class ImageTests
{
    private static readonly string[] Instructions = [.. Sources.Of("Dockerfile").Text.Replace("\\\n", " ", StringComparison.Ordinal).Split('\n').Where(line => line.Length > 0 && line[0] != '#')];

    private static readonly XDocument Project = XDocument.Parse(Sources.Of("Grid.Node/Grid.Node.csproj").Text);

    /// <summary>What a container of the image starts with.</summary>
    public static string[] Entrypoint { get; } = JsonSerializer.Deserialize<string[]>(Last("ENTRYPOINT"))!;

    [Fact]
    public void The_Dockerfile_and_the_SDK_make_the_same_image()
    {
        Assert.Equal(Last("FROM"), Property("ContainerBaseImage"));
        Assert.Equal(Last("USER"), Property("ContainerUser"));
        Assert.Equal(Last("WORKDIR"), Property("ContainerWorkingDirectory"));
        Assert.Equal(Last("EXPOSE").Split(' '), Include("ContainerPort"));
        Assert.Equal(Entrypoint, Include("ContainerAppCommand"));
        Assert.Equal("Entrypoint", Property("ContainerAppCommandInstruction"));
    }

    [Fact]
    public async Task The_manifests_run_that_image_as_its_user_with_its_ports_and_its_entry_point()
    {
        foreach (var overlay in Manifests.Overlays)
        {
            var manifests = await Manifests.RenderAsync(overlay);
            var container = manifests.Container;
            Assert.Equal(Property("ContainerRepository"), container.Image.Split(':')[0]);
            Assert.NotEqual("latest", container.Image.Split(':')[1]);
            Assert.Equal(Last("USER"), manifests.Nodes.Spec.Template.Spec.SecurityContext.RunAsUser.ToString());
            Assert.Equal(Last("EXPOSE").Split(' '), container.Ports.Select(port => $"{port.ContainerPort}"));
            Assert.Null(container.Command);
            Assert.Null(container.WorkingDir);
        }
    }

    [Fact]
    public async Task The_production_image_has_the_version_that_is_built()
    {
        var version = XDocument.Parse(Sources.Of("Directory.Build.props").Text).Descendants("Version").Single().Value;
        Assert.Equal(version, (await Manifests.RenderAsync("production")).Container.Image.Split(':')[1]);
    }

    [Fact]
    public void The_build_is_given_every_file_it_needs_and_is_shown_no_other()
    {
        // "COPY A B… TARGET" of the build's stage; the other stage copies from it.
        var copied = Instructions.Where(line => line.StartsWith("COPY ", StringComparison.Ordinal) && !line.Contains("--from", StringComparison.Ordinal))
            .SelectMany(line => line.Split(' ')[1..^1]).Select(path => path.TrimEnd('/')).ToList();
        Assert.All(copied, path => Assert.True(Path.Exists(Path.Combine(Repository.Root, path)), path));
        var shown = Sources.Of(".dockerignore").Lines.Where(line => line.StartsWith('!')).Select(line => line[1..]).ToList();
        Assert.Equal(shown.Order(), copied.Where(path => !path.EndsWith(".csproj", StringComparison.Ordinal)).Order());

        // Projects that are published, and those that they reference.
        var published = PublishedProject().Matches(string.Join('\n', Instructions)).Select(match => match.Groups[1].Value).ToHashSet();
        Assert.Equal(["Grid.Cli", "Grid.Node"], published.Order());
        var needed = new HashSet<string>();
        var queue = new Queue<string>(published);
        while (queue.TryDequeue(out var project))
        {
            if (!needed.Add(project)) continue;
            foreach (var reference in XDocument.Parse(Sources.Of($"{project}/{project}.csproj").Text).Descendants("ProjectReference"))
                queue.Enqueue(Path.GetFileNameWithoutExtension(reference.Attribute("Include")!.Value));
        }

        Assert.Equal(needed.SelectMany(project => new[] { project, $"{project}/{project}.csproj" }).Order(), copied.Where(path => path.StartsWith("Grid.", StringComparison.Ordinal)).Order());
    }

    private static string Last(string instruction) => Instructions.Last(line => line.StartsWith(instruction + " ", StringComparison.Ordinal))[(instruction.Length + 1)..];

    private static string Property(string name) => Project.Descendants(name).Single().Value;

    private static string[] Include(string name) => Project.Descendants(name).Single().Attribute("Include")!.Value.Split(';');

    [GeneratedRegex(@"dotnet publish (\S+)")]
    private static partial Regex PublishedProject();
}
