using System.Collections.Frozen;

namespace Grid.Node.Cluster;

/// <summary>One life of a node's process in the cluster.</summary>
/// <param name="Address">Its cluster address.</param>
/// <param name="Uid">Another one after every start.</param>
internal readonly record struct ClusterNode(string Address, long Uid) : IComparable<ClusterNode>
{
    public int CompareTo(ClusterNode other) => string.CompareOrdinal(Address, other.Address) is var order and not 0 ? order : Uid.CompareTo(other.Uid);

    public override string ToString() => $"{Address}#{Uid}";
}

/// <summary>How far a member is.</summary>
internal enum Standing
{
    Joining,
    Up,
    Leaving,
    Down,
}

/// <summary>The cluster as one node sees it at one instant.</summary>
internal sealed class ClusterView(IEnumerable<KeyValuePair<ClusterNode, Standing>> members, IEnumerable<ClusterNode> unreachable)
{
    private readonly FrozenSet<ClusterNode> _unreachable = unreachable.ToFrozenSet();

    public static ClusterView Empty { get; } = new([], []);

    public FrozenDictionary<ClusterNode, Standing> Members { get; } = members.ToFrozenDictionary();

    public bool Has(ClusterNode node) => Members.ContainsKey(node);

    public bool IsUp(ClusterNode node) => Members.TryGetValue(node, out var standing) && standing == Standing.Up;

    public bool IsUnreachable(ClusterNode node) => _unreachable.Contains(node);

    /// <summary>Whether a node may be told that it belongs: a member that is neither down nor out of reach.</summary>
    public bool Vouches(ClusterNode node) => Members.TryGetValue(node, out var standing) && standing != Standing.Down && !IsUnreachable(node);
}
