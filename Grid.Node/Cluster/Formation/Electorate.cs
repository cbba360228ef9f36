namespace Grid.Node.Cluster.Formation;

/// <summary>Whose promises count when a cluster is formed, and how many it takes: more than half of all that there will ever be, so that any two groups share a node.</summary>
internal sealed class Electorate
{
    private readonly HashSet<string>? _listed;

    private Electorate(int needed, HashSet<string>? listed, string text) => (Needed, _listed, Text) = (needed, listed, text);

    /// <summary>Nodes, the former included, that must have promised.</summary>
    public int Needed { get; }

    /// <summary>The same on all nodes that may form a cluster together.</summary>
    public string Text { get; }

    /// <summary>The most nodes among which any two groups of <see cref="Needed"/> share one.</summary>
    public int Most => _listed?.Count ?? (2 * Needed) - 1;

    /// <summary>The nodes of a list.</summary>
    /// <param name="addresses">Whole addresses.</param>
    /// <param name="needed">How many of them must promise.</param>
    public static Electorate Listed(IEnumerable<string> addresses, int needed)
    {
        var listed = addresses.ToHashSet(StringComparer.Ordinal);
        return new Electorate(needed, listed, $"{needed} of {string.Join(", ", listed.Order(StringComparer.Ordinal))}");
    }

    /// <summary>Whoever answers at the addresses of a service.</summary>
    /// <param name="service">Its name.</param>
    /// <param name="needed">How many must promise.</param>
    public static Electorate OfService(string service, int needed) => new(needed, null, $"{needed} of {service}");

    /// <summary>Whether a node's promise counts.</summary>
    public bool Includes(string address) => _listed?.Contains(address) ?? true;
}
