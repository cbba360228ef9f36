using System.Text;
using Grid.Tests.Harness;

namespace Grid.Tests.Kubernetes;

/// <summary>
/// Names that only the processes of a test know, in place of a cluster's DNS: a hosts file that is mounted over <c>/etc/hosts</c>, for them alone. It may change while they run.
/// </summary>
internal sealed class PodNames : IDisposable
{
    /// <summary>Always as long: it is written in one piece over what was there, so that nobody reads half of it.</summary>
    private const int FileBytes = 4096;

    private readonly TestFolder _folder = new();

    public PodNames()
    {
        File.SetUnixFileMode(_folder.Path, (UnixFileMode)Convert.ToInt32("755", 8));
        Set([]);
    }

    /// <summary>The hosts file.</summary>
    public string Path => _folder.Combine("hosts");

    /// <summary>Has these names mean these addresses from now on; a name may have several.</summary>
    public void Set(IEnumerable<(string Name, string Address)> names)
    {
        var text = new StringBuilder("127.0.0.1 localhost\n");
        foreach (var (name, address) in names) text.Append(address).Append(' ').Append(name).Append('\n');
        var bytes = Encoding.ASCII.GetBytes(text.ToString().PadRight(FileBytes, '\n'));
        using var file = new FileStream(Path, FileMode.OpenOrCreate, FileAccess.Write, FileShare.ReadWrite, bufferSize: 0);
        file.Write(bytes);
    }

    public void Dispose() => _folder.Dispose();
}
