using Grid.Client;

namespace Grid.Node.Frontends.Nbd.Origins;

/// <summary>
/// Which origins a node opens. Who may make exports is whoever reaches the grid; what the node's own rights open must not be theirs, so it opens what its operator has named and nothing else.
/// </summary>
/// <param name="allowed">Folders, and <c>nbd://HOST[:PORT][/EXPORT]</c>; <c>nbd://</c> alone is every server.</param>
internal sealed class OriginPolicy(IReadOnlyList<string> allowed)
{
    private const string EveryServer = "nbd://";

    /// <summary>What is wrong with a list, or null when nothing is.</summary>
    public static string? Validate(IReadOnlyList<string> allowed) =>
        allowed.FirstOrDefault(entry => entry != EveryServer && new NbdOrigin(entry).Validate() is not null) is { } wrong ? $"'{wrong}' is neither an absolute path nor nbd://HOST[:PORT][/EXPORT]" : null;

    /// <summary>Whether an origin may be opened.</summary>
    public bool Allows(NbdOrigin origin) => allowed.Any(entry => Allows(new NbdOrigin(entry), origin));

    private static bool Allows(NbdOrigin allowed, NbdOrigin origin)
    {
        if (allowed.IsNbd != origin.IsNbd) return false;
        if (!origin.IsNbd)
        {
            var (folder, path) = (Path.TrimEndingDirectorySeparator(Path.GetFullPath(allowed.Location)), Path.GetFullPath(origin.Location));
            return path == folder || path.StartsWith(folder == "/" ? folder : folder + "/", StringComparison.Ordinal);
        }

        if (allowed.Location == EveryServer) return true;
        return allowed.TryServer(out var host, out var port, out var export) && origin.TryServer(out var wantedHost, out var wantedPort, out var wantedExport)
            && string.Equals(host, wantedHost, StringComparison.OrdinalIgnoreCase) && port == wantedPort && (export.Length == 0 || export == wantedExport);
    }
}
