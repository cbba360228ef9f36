namespace Grid.Bench.Servers;

/// <summary>Folders that go with the server that has them.</summary>
internal static class TemporaryDirectory
{
    /// <summary>Where they are made unless something else is asked for.</summary>
    public static DirectoryInfo Default { get; } = new(Path.GetTempPath());

    /// <summary>Makes one that no other user can look into.</summary>
    /// <param name="parent">Where.</param>
    /// <param name="prefix">How its name begins.</param>
    public static DirectoryInfo Make(DirectoryInfo parent, string prefix)
    {
        try
        {
            var path = Path.Combine(parent.FullName, prefix + Path.GetRandomFileName());
            return OperatingSystem.IsWindows() ? Directory.CreateDirectory(path) : Directory.CreateDirectory(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw new BenchException($"cannot make a folder in {parent.FullName}: {failure.Message}");
        }
    }
}
