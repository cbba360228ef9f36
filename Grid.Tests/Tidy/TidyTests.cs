using System.Text.RegularExpressions;
using System.Xml.Linq;
using Grid.Node.Hosting;
using Xunit;

namespace Grid.Tests.Tidy;

/// <summary>Habits of this repository that a compiler does not hold.</summary>
public sealed partial class TidyTests
{
    private const int LinesMax = 500;

    // Spelt in two parts, so that this file does not contain what it forbids.
    private static readonly (string Pattern, string Instead)[] Forbidden =
    [
        (@"\bTO" + @"DO\b|\bFIX" + @"ME\b|\bXX" + @"X\b", "do it, or say in the docs what is not done"),
        (@"\.Get" + @"Awaiter\(\)\.Get" + @"Result\(", "await it"),
        (@"Thread\.Sl" + @"eep", "wait for the condition, with a deadline"),
        (@"\bSk" + @"ip\s*=\s*""", "a test is fixed or removed"),
        (@"#pragma warning disable(?!.*//)", "say behind it why"),
        (@"string\.Get" + @"HashCode\(\)\s*%", "use the stable hash"),
        (@"(?<![\w.])/wo" + @"rk/|/tm" + @"p/w/", "no machine's own paths"),
    ];

    [Fact]
    public void No_file_is_longer_than_500_lines()
    {
        Clean(Sources.CSharp.Where(file => file.Lines.Count > LinesMax).Select(file => $"{file}: {file.Lines.Count} lines; two things live there"));
    }

    [Fact]
    public void A_file_begins_with_its_imports_and_its_namespace_is_its_folder()
    {
        Clean(Sources.CSharp.Where(file => file.Name is not ("Program.cs" or "AssemblyInfo.cs" or "GlobalUsings.cs")).SelectMany(file =>
        {
            // The SDK is one namespace for its users, in folders for its makers; the frontends on it are another.
            var folder = Path.GetDirectoryName(file.Path)!.Replace('/', '.');
            var expected = folder.StartsWith("Grid.Client.", StringComparison.Ordinal) && folder != "Grid.Client.Frontends" ? "Grid.Client" : folder;
            var found = file.Lines.FirstOrDefault(line => line.StartsWith("namespace ", StringComparison.Ordinal))?["namespace ".Length..].TrimEnd(';');
            return new[]
            {
                found == expected ? null : $"{file}: namespace {found}, its folder is {expected}",
                FirstLine().IsMatch(file.Lines[0]) ? null : $"{file}: begins with \"{file.Lines[0]}\", not with its imports, namespace or a comment that says why",
                file.Text.Contains('\r') ? $"{file}: has carriage returns" : null,
                file.Text.EndsWith('\n') && !file.Text.EndsWith("\n\n", StringComparison.Ordinal) ? null : $"{file}: does not end with one line feed",
            };
        }));
    }

    [Fact]
    public void Nothing_forbidden_is_written_anywhere()
    {
        Clean(
            from file in Sources.CSharp
            from rule in Forbidden
            from line in file.Lines.Index()
            where Regex.IsMatch(line.Item, rule.Pattern)
            select $"{file}:{line.Index + 1}: {line.Item.Trim()} — {rule.Instead}");
    }

    [Fact]
    public void Blocking_on_a_task_does_not_compile()
    {
        // The analyzer knows types, so that a record's own "Result" is nothing to it.
        Assert.Contains("dotnet_diagnostic.VSTHRD002.severity = warning", Sources.Of(".editorconfig").Text);
        Assert.Contains("<TreatWarningsAsErrors>true<", Sources.Of("Directory.Build.props").Text);
    }

    [Theory]
    [InlineData("Grid.Protocol", "")]
    [InlineData("Grid.Client", "Grid.Protocol")]
    [InlineData("Grid.AspNetCore", "Grid.Protocol Grid.Client")]
    [InlineData("Grid.Node", "Grid.Protocol Grid.Client")]
    [InlineData("Grid.Cli", "Grid.Protocol Grid.Client")]
    public void Projects_depend_one_way(string project, string allowed)
    {
        var mayUse = allowed.Split(' ', StringSplitOptions.RemoveEmptyEntries).Append(project).ToHashSet();
        var references = XDocument.Parse(Sources.Of($"{project}/{project}.csproj").Text).Descendants("ProjectReference")
            .Select(reference => Path.GetFileNameWithoutExtension(reference.Attribute("Include")!.Value));
        Clean(references.Where(reference => !mayUse.Contains(reference)).Select(reference => $"{project} references {reference}"));
        Clean(
            from file in Sources.CSharp
            where file.Path.StartsWith(project + "/", StringComparison.Ordinal)
            from import in file.Imports
            where import.StartsWith("Grid.", StringComparison.Ordinal) && !mayUse.Contains(string.Join('.', import.Split('.').Take(2)))
            select $"{file} imports {import}");
    }

    [Fact]
    public void The_protocol_and_the_client_know_no_actors_and_no_web_server()
    {
        CleanImports("Grid.Protocol/", _ => true, "Akka", "Microsoft.AspNetCore");
        CleanImports("Grid.Client/", _ => true, "Akka", "Microsoft.AspNetCore");
    }

    [Fact]
    public void The_page_store_knows_no_actor_and_nobody_above_it()
    {
        CleanImports("Grid.Node/Memory/", _ => true,
            "Akka", "Microsoft.AspNetCore", "Grid.Client", "Grid.Node.Objects", "Grid.Node.Gateway", "Grid.Node.Pools", "Grid.Node.Cluster", "Grid.Node.Journal", "Grid.Node.Hosting", "Grid.Node.Admin");
    }

    [Fact]
    public void Journal_formats_and_reads_know_no_actor()
    {
        // What meets Akka: the writing actor with its failures, the event as Akka carries it, the plugin's configuration.
        string[] withAkka = ["WriterActor.cs", "WriterMessages.cs", "WriteFailures.cs", "JournalEvent.cs", "JournalEventSerializer.cs", "JournalConfig.cs", "GroupCommitJournal.cs"];
        CleanImports("Grid.Node/Journal/", file => !withAkka.Contains(file.Name), "Akka");
        CleanImports("Grid.Node/Journal/", _ => true, "Grid.Node.Objects", "Grid.Node.Gateway", "Grid.Node.Pools", "Grid.Node.Cluster");
    }

    [Fact]
    public void Frontends_work_through_the_client()
    {
        CleanImports("Grid.Node/Frontends/", _ => true, "Akka", "Grid.Node.Objects", "Grid.Node.Memory", "Grid.Node.Journal", "Grid.Node.Pools");
        // Of the gateway only its short way, which takes the contract's operations.
        Clean(from file in Sources.CSharp
              where file.Path.StartsWith("Grid.Node/Frontends/", StringComparison.Ordinal) && file.Text.Contains("GatewayServices", StringComparison.Ordinal)
              select $"{file.Path} uses the gateway otherwise than through NearPages");
    }

    [Fact]
    public void Every_setting_is_explained_where_it_has_its_default()
    {
        var lines = Sources.Of("hocon/default.conf").Lines;
        Clean(lines.Index()
            .Where(line => SettingLine().IsMatch(line.Item) && !lines[line.Index - 1].TrimStart().StartsWith('#'))
            .Select(line => $"hocon/default.conf:{line.Index + 1}: no comment above {line.Item.Trim()}"));
        Assert.Equal(SettingLayers.Load("").Known.Count, lines.Count(line => SettingLine().IsMatch(line)));
    }

    [Fact]
    public void Every_setting_does_something()
    {
        var code = string.Join('\n', Sources.CSharp
            .Where(file => file.Path.StartsWith("Grid.Node/", StringComparison.Ordinal) && !file.Name.StartsWith("GridSettings", StringComparison.Ordinal))
            .Select(file => file.Text));
        Clean(
            from section in typeof(GridSettings).GetProperties()
            where section.PropertyType.Namespace == typeof(GridSettings).Namespace
            from setting in section.PropertyType.GetProperties()
            where setting.Name != "EqualityContract" && !Regex.IsMatch(code, $@"\.{setting.Name}\b")
            select $"nothing uses {section.Name}.{setting.Name}");
    }

    [Fact]
    public void Texts_mention_no_setting_that_does_not_exist()
    {
        var known = SettingLayers.Load("").Known;
        var metrics = Sources.Of("Grid.Node/Admin/GridMetrics.cs").Text;
        Clean(
            from file in Sources.Markdown.Concat(Sources.CSharp.Where(source => source.Path.StartsWith("Grid.Node/", StringComparison.Ordinal)))
            from Match mention in SettingMention().Matches(file.Text)
            let name = mention.Value.TrimEnd('.')
            where !known.Any(setting => setting == name || setting.StartsWith(name + ".", StringComparison.Ordinal)) && !metrics.Contains($"\"{name}\"")
            select $"{file} mentions {name}");
    }

    private static void CleanImports(string folder, Func<SourceFile, bool> which, params string[] forbidden)
    {
        Clean(
            from file in Sources.CSharp
            where file.Path.StartsWith(folder, StringComparison.Ordinal) && which(file)
            from import in file.Imports
            where forbidden.Any(name => import == name || import.StartsWith(name + ".", StringComparison.Ordinal))
            select $"{file} imports {import}");
    }

    private static void Clean(IEnumerable<string?> complaints)
    {
        var found = complaints.Where(complaint => complaint != null).ToList();
        Assert.True(found.Count == 0, string.Join('\n', found));
    }

    [GeneratedRegex(@"^(using |global using |namespace |//|#nullable|\[assembly)")]
    private static partial Regex FirstLine();

    [GeneratedRegex(@"^\s*[a-z-]+ = ")]
    private static partial Regex SettingLine();

    [GeneratedRegex(@"(?<![\w./-])grid\.(node|gateway|admin|cluster|memory|journal|objects|nbd|stop|log)\.[a-z_-]+(\.[a-z_-]+)*")]
    private static partial Regex SettingMention();
}
