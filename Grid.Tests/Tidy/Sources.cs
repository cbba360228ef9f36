using Grid.Tests.Hosting;

namespace Grid.Tests.Tidy;

/// <summary>The repository's own files.</summary>
internal static class Sources
{
    private static readonly string[] NotOurs = ["bin", "obj", ".git", "data", "artifacts", "TestResults"];

    /// <summary>Every C# file.</summary>
    public static IReadOnlyList<SourceFile> CSharp { get; } = [.. Files("*.cs")];

    /// <summary>Every text in Markdown.</summary>
    public static IReadOnlyList<SourceFile> Markdown { get; } = [.. Files("*.md")];

    /// <summary>One file.</summary>
    public static SourceFile Of(string path)
    {
        return new SourceFile(path, File.ReadAllText(Path.Combine(Repository.Root, path)));
    }

    private static IEnumerable<SourceFile> Files(string pattern)
    {
        return Directory.EnumerateFiles(Repository.Root, pattern, SearchOption.AllDirectories)
            .Select(path => Path.GetRelativePath(Repository.Root, path))
            .Where(path => !path.Split('/').Intersect(NotOurs).Any())
            .Order(StringComparer.Ordinal)
            .Select(Of);
    }
}

/// <summary>A file of the repository.</summary>
/// <param name="Path">Relative to the root.</param>
/// <param name="Text">What it holds.</param>
internal sealed record SourceFile(string Path, string Text)
{
    /// <summary>Its lines.</summary>
    public IReadOnlyList<string> Lines { get; } = Text.Split('\n');

    /// <summary>Namespaces it imports.</summary>
    public IEnumerable<string> Imports => Lines
        .Where(line => line.StartsWith("using ", StringComparison.Ordinal) || line.StartsWith("global using ", StringComparison.Ordinal))
        .Select(line => line[(line.IndexOf("using ", StringComparison.Ordinal) + 6)..].TrimEnd(';', '\r').Replace("static ", "").Split('=')[^1].Trim());

    /// <summary>Its name without directories.</summary>
    public string Name => System.IO.Path.GetFileName(Path);

    public override string ToString() => Path;
}
