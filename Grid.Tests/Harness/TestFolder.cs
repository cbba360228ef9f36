namespace Grid.Tests.Harness;

/// <summary>A folder of its own for a test, removed with everything in it.</summary>
public sealed class TestFolder : IDisposable
{
    public TestFolder()
    {
        Path = Directory.CreateTempSubdirectory("grid-test-").FullName;
        OwnedProcesses.AddFolder(Path);
    }

    public string Path { get; }

    public string Combine(string name) => System.IO.Path.Combine(Path, name);

    public void Dispose() => OwnedProcesses.RemoveFolder(Path);
}
