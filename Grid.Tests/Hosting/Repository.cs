namespace Grid.Tests.Hosting;

/// <summary>Where the sources are.</summary>
internal static class Repository
{
    public static string Root { get; } = Find();

    private static string Find()
    {
        for (var directory = AppContext.BaseDirectory; directory != null; directory = Path.GetDirectoryName(directory))
            if (File.Exists(Path.Combine(directory, "Grid.sln"))) return directory;
        throw new InvalidOperationException($"no Grid.sln above {AppContext.BaseDirectory}");
    }
}
