using System.Globalization;
using Grid.Tests.Hosting;

namespace Grid.Tests.Chaos.Bed;

/// <summary>What is kept of a run that found something.</summary>
internal static class Artifacts
{
    /// <summary>The folder of a run.</summary>
    public static string FolderOf(int seed) => Path.Combine(Repository.Root, "artifacts", "chaos", seed.ToString(CultureInfo.InvariantCulture));

    /// <summary>Copies histories and logs, and writes down what was found.</summary>
    public static void Keep(ChaosBed bed, int seed, IEnumerable<string> violations, string summary)
    {
        var folder = Directory.CreateDirectory(FolderOf(seed)).FullName;
        foreach (var file in Directory.EnumerateFiles(bed.Folder)) File.Copy(file, Path.Combine(folder, Path.GetFileName(file)), overwrite: true);
        File.WriteAllLines(Path.Combine(folder, "violations.txt"), [.. violations, "", summary]);
        File.WriteAllLines(Path.Combine(folder, "supervisor.log"), bed.Supervisor.Events);
        File.WriteAllLines(Path.Combine(folder, "postgresql.log"), bed.Postgres.Log.Lines());
    }
}
