using Akka.Cluster;

namespace Grid.Node.Pools;

/// <summary>
/// Who holds how much of one pool's quota. The rule it keeps: base + what the nodes have outstanding never exceeds the quota, where a node's outstanding
/// permission is what it was granted and did not return, whether pages use it or not. The base stands for all pages that no living node accounts for.
/// A node that is gone keeps its permission (a "ghost") until the pages are counted again, for its pages may be in the journal; those of an
/// ephemeral pool are gone with it.
/// </summary>
/// <param name="limitPages">The quota.</param>
/// <param name="isDurable">Whether pages outlive their node.</param>
internal sealed class QuotaLedger(long limitPages, bool isDurable)
{
    /// <summary>A slice holds at least this many pages, while there are as many.</summary>
    public const long MinSlicePages = 64;

    private readonly Dictionary<UniqueAddress, Slice> _slices = [];
    private readonly Dictionary<UniqueAddress, long> _ghosts = [];

    /// <summary>Whether the base is known; before that nothing is granted.</summary>
    public bool IsOpen { get; private set; }

    /// <summary>Pages that no living node accounts for; never less than there are.</summary>
    public long BasePages { get; private set; }

    /// <summary>What can be granted.</summary>
    public long AvailablePages => limitPages - BasePages - _ghosts.Values.Sum() - _slices.Values.Sum(slice => slice.Outstanding);

    /// <summary>Nodes that are gone and have permission still.</summary>
    public IReadOnlyCollection<UniqueAddress> Ghosts => _ghosts.Keys;

    /// <summary>What a node was granted so far.</summary>
    public long GrantedTotal(UniqueAddress node) => _slices.TryGetValue(node, out var slice) ? slice.Granted : 0;

    /// <summary>A node says where it stands.</summary>
    /// <param name="node">The node.</param>
    /// <param name="carried">What it had before this ledger began.</param>
    /// <param name="returned">What it returned since; only grows.</param>
    /// <returns>Whether it returned something new.</returns>
    public bool Report(UniqueAddress node, long carried, long returned)
    {
        var slice = Of(node);
        slice.Carried = carried;
        if (returned <= slice.Returned) return false;
        slice.Returned = returned;
        return true;
    }

    /// <summary>Gives a node a slice: what it needs and some more while there is plenty, half of what is left when that had to be collected from other nodes.</summary>
    /// <param name="node">The node.</param>
    /// <param name="need">The least that helps.</param>
    /// <param name="isScarce">Whether others had to hand back for it.</param>
    /// <returns>Whether it got what it needs; if not, it got all there is.</returns>
    public bool Grant(UniqueAddress node, long need, bool isScarce)
    {
        var available = AvailablePages;
        if (!IsOpen || available <= 0) return false;
        var slice = isScarce ? available / 2 : Math.Max(MinSlicePages, available / 8);
        var granted = Math.Min(available, Math.Max(need, slice));
        Of(node).Granted += granted;
        return granted >= need;
    }

    /// <summary>A node is gone.</summary>
    public void Remove(UniqueAddress node)
    {
        if (_slices.Remove(node, out var slice) && isDurable && slice.Outstanding != 0) _ghosts[node] = slice.Outstanding;
    }

    /// <summary>The pages were counted: the base is at most this, the nodes that were gone when counting began are part of it.</summary>
    /// <param name="basePages">The base.</param>
    /// <param name="counted">The ghosts whose pages are in it.</param>
    public void Rebase(long basePages, IReadOnlyCollection<UniqueAddress> counted)
    {
        // Each count is an upper bound of the same number, unless ghosts were folded into it: then it is a new number.
        BasePages = IsOpen && counted.Count == 0 ? Math.Min(BasePages, basePages) : basePages;
        foreach (var node in counted) _ghosts.Remove(node);
        IsOpen = true;
    }

    private Slice Of(UniqueAddress node)
    {
        if (_slices.TryGetValue(node, out var slice)) return slice;
        slice = new Slice();
        _slices.Add(node, slice);
        return slice;
    }

    private sealed class Slice
    {
        public long Carried { get; set; }

        public long Granted { get; set; }

        public long Returned { get; set; }

        public long Outstanding => Carried + Granted - Returned;
    }
}
