namespace Grid.Node.Cluster;

/// <summary>
/// Which shards this node may serve. Before a shard opens here every member has said that it has no live object of it, and no node that was removed can still hold
/// a lease. A shard is given up to whoever claims it: what is right is Akka's business, that there is never more than one is this one's.
/// </summary>
/// <param name="self">This node.</param>
/// <param name="timings">The durations.</param>
/// <param name="book">What this node can witness itself.</param>
/// <param name="table">Where objects see what is open.</param>
/// <param name="newIncarnation">A number for a new life of a shard.</param>
internal sealed class ShardClaims(ClusterNode self, LeaseTimings timings, PingBook book, ShardTable table, Func<ulong> newIncarnation)
{
    private readonly Cell?[] _cells = new Cell?[table.Count];
    private readonly Dictionary<ClusterNode, Removal> _removed = [];
    private readonly HashSet<ClusterNode> _parted = [];
    private ClusterView _view = ClusterView.Empty;

    /// <summary>Nodes that said that they serve nothing any more, until some time after they were removed.</summary>
    public IReadOnlySet<ClusterNode> Parted => _parted;

    /// <summary>Told of every grant (shard, life) before it leaves; says whether this node keeps pages for that life.</summary>
    public Func<int, ulong, bool> KeepsFor { get; init; } = (_, _) => false;

    /// <summary>Where a node's data plane is; null: it has not said.</summary>
    public Func<ClusterNode, string?> DataAddressOf { get; init; } = _ => null;

    /// <summary>Messages to send.
    public Queue<(ClusterNode To, GuardMessage Message)> Outgoing { get; } = new();

    /// <summary>Shards that have opened.</summary>
    public Queue<ShardLife> Opened { get; } = new();

    /// <summary>Shards whose objects have to end.</summary>
    public Queue<ShardLife> Closed { get; } = new();

    /// <summary>The members have changed.</summary>
    public void OnView(ClusterView view, long nowMs)
    {
        var isFewer = false;
        foreach (var node in _view.Members.Keys)
        {
            if (view.Has(node)) continue;
            _removed[node] = new Removal(nowMs, _view.Members.Count);
            isFewer |= !_parted.Contains(node);
        }

        foreach (var (node, removal) in _removed)
            if (nowMs - removal.AtMs > 4 * timings.OverAfterMs) _removed.Remove(node);
        _parted.RemoveWhere(node => !view.Has(node) && !_removed.ContainsKey(node));
        _view = view;
        // Who granted before somebody was removed may have answered that one's pings since: everybody is asked anew.
        if (isFewer) RestartClaims(nowMs);
        OpenWhatMay(nowMs);
    }

    /// <summary>Objects of a shard wait for it to open.</summary>
    public void Want(int shard, long nowMs)
    {
        var cell = CellOf(shard);
        cell.IsWanted = true;
        Begin(cell, nowMs);
    }

    /// <summary>No object waits for the shard any more.</summary>
    public void Unwant(int shard)
    {
        if (_cells[shard] is not { } cell) return;
        cell.IsWanted = false;
        cell.Claim = null;
    }

    /// <summary>The last object of a shard that was closed has ended.</summary>
    public void Emptied(int shard, long nowMs)
    {
        if (_cells[shard] is not { Closing: { } life } cell || life.Objects > 0) return;
        cell.Closing = null;
        table.Ended(shard);
        if (cell.Asker is { } asker) Give(cell, asker, nowMs);
        cell.Asker = null;
    }

    /// <summary>Sends again what was not answered, begins what has rested.</summary>
    public void Tick(long nowMs)
    {
        foreach (var cell in _cells)
        {
            if (cell is null) continue;
            if (cell.Claim is { } claim && nowMs - claim.AskedMs >= timings.AgainAfterMs) Ask(claim, nowMs);
            Begin(cell, nowMs);
        }

        OpenWhatMay(nowMs);
    }

    /// <summary>Another node wants a shard.</summary>
    public void OnClaim(ClusterNode from, int shard, ulong incarnation, long nowMs)
    {
        if (!_view.Has(from) || from == self || shard < 0 || shard >= _cells.Length) return;
        var cell = CellOf(shard);
        var asker = new Holder(from, incarnation);
        if (cell.Claim is not null)
        {
            // Two at once: one of them must stand back, the same one by both nodes' reckoning.
            if (self.CompareTo(from) < 0) return;
            cell.Claim = null;
            cell.RestsUntilMs = nowMs + timings.OverAfterMs / 2;
        }

        if (cell.Open is { } life)
        {
            cell.Open = null;
            table.Set(shard, null);
            cell.RestsUntilMs = nowMs + timings.OverAfterMs / 2;
            if (life.Close())
            {
                table.Ended(shard);
            }
            else
            {
                cell.Closing = life;
                Closed.Enqueue(life);
            }
        }

        if (cell.Closing is null) Give(cell, asker, nowMs);
        else cell.Asker = asker;
    }

    /// <summary>A node has no live object of the shard.</summary>
    public void OnGrant(ClusterNode from, Grant grant, long nowMs)
    {
        if (grant.Shard < 0 || grant.Shard >= _cells.Length || _cells[grant.Shard]?.Claim is not { } claim || claim.Incarnation != grant.Incarnation) return;
        claim.Granted.Add(from);
        if (grant.IsWarm) claim.Warm.Add(from);
        if (grant.Holder is { } holder && holder != self && holder != from) claim.Asked.Add(holder);
        foreach (var witness in grant.Witnessed) claim.Witnessed[(from, witness.Node)] = (witness.AgoMs, nowMs);
        foreach (var witness in grant.Witnessed)
            if (!_view.Vouches(witness.Node)) claim.Gone.Add(witness.Node);
        TryOpen(CellOf(grant.Shard), nowMs);
    }

    /// <summary>A node leaves: it serves nothing from now on, and need not be asked.</summary>
    public void OnParting(ClusterNode from, long nowMs)
    {
        _parted.Add(from);
        OpenWhatMay(nowMs);
    }

    /// <summary>Shards whose claim is under way, and who has not answered.</summary>
    public IEnumerable<(int Shard, IReadOnlyList<ClusterNode> WaitsFor)> Waiting(long nowMs) =>
        from cell in _cells.OfType<Cell>()
        let claim = cell.Claim
        where claim is not null
        select (cell.Shard, (IReadOnlyList<ClusterNode>)[.. Missing(claim, nowMs)]);

    private void Begin(Cell cell, long nowMs)
    {
        if (!cell.IsWanted || cell.Claim is not null || cell.Open is not null || cell.Closing is not null || nowMs < cell.RestsUntilMs) return;
        cell.Claim = new ClaimUnderWay(cell.Shard, newIncarnation());
        Ask(cell.Claim, nowMs);
        TryOpen(cell, nowMs);
    }

    private void RestartClaims(long nowMs)
    {
        foreach (var cell in _cells)
        {
            if (cell?.Claim is null) continue;
            cell.Claim = null;
            Begin(cell, nowMs);
        }
    }

    private void Ask(ClaimUnderWay claim, long nowMs)
    {
        claim.AskedMs = nowMs;
        foreach (var node in _view.Members.Keys.Union(claim.Asked))
            if (node != self && !claim.Granted.Contains(node) && !_parted.Contains(node)) Outgoing.Enqueue((node, new Claim(node, claim.Shard, claim.Incarnation)));
    }

    private void Give(Cell cell, Holder to, long nowMs)
    {
        var holder = cell.Holder is { } before && before.Node != to.Node && _view.Has(before.Node) ? before.Node : (ClusterNode?)null;
        cell.Holder = to;
        Outgoing.Enqueue((to.Node, new Grant(to.Node, cell.Shard, to.Incarnation, holder, book.Witnessed(_view, nowMs), KeepsFor(cell.Shard, to.Incarnation))));
    }

    private void OpenWhatMay(long nowMs)
    {
        foreach (var cell in _cells)
            if (cell?.Claim is not null) TryOpen(cell, nowMs);
    }

    private void TryOpen(Cell cell, long nowMs)
    {
        if (cell.Claim is not { } claim || !_view.Has(self) || Missing(claim, nowMs).Any()) return;
        cell.Claim = null;
        cell.IsWanted = false;
        cell.Holder = new Holder(self, claim.Incarnation);
        cell.Open = new ShardLife(cell.Shard, claim.Incarnation, [.. claim.Warm.Select(DataAddressOf).OfType<string>()]);
        table.Set(cell.Shard, cell.Open);
        Opened.Enqueue(cell.Open);
    }

    /// <summary>Members that have not granted, and removed nodes whose lease may still run.</summary>
    private IEnumerable<ClusterNode> Missing(ClaimUnderWay claim, long nowMs)
    {
        foreach (var node in _view.Members.Keys)
            if (node != self && !claim.Granted.Contains(node) && !_parted.Contains(node)) yield return node;
        foreach (var node in claim.Asked)
            if (!_view.Has(node) && !claim.Granted.Contains(node) && !_parted.Contains(node) && !_removed.ContainsKey(node)) yield return node;
        foreach (var (node, removal) in _removed)
            if (!_parted.Contains(node) && !IsOver(node, removal, claim, nowMs)) yield return node;
        foreach (var node in claim.Gone)
            if (!_view.Has(node) && !_parted.Contains(node) && !_removed.ContainsKey(node) && claim.Witnessed.Any(entry => entry.Key.Node == node && AgeMs(entry.Value, nowMs) < timings.OverAfterMs))
                yield return node;
    }

    /// <summary>
    /// Whether a removed node's lease has certainly run out: so long ago was it removed (by then every member had seen it down), or nobody that is left has answered it for
    /// that long, and those are at least half of the members there were, so that the others make no majority.
    /// </summary>
    private bool IsOver(ClusterNode node, Removal removal, ClaimUnderWay claim, long nowMs)
    {
        if (nowMs - removal.AtMs >= timings.OverAfterMs) return true;
        if (book.AgoMs(node, nowMs) < timings.OverAfterMs) return false;
        var silent = 1;
        foreach (var granter in claim.Granted)
        {
            if (!_view.IsUp(granter)) continue;
            if (claim.Witnessed.TryGetValue((granter, node), out var said) && AgeMs(said, nowMs) < timings.OverAfterMs) return false;
            silent++;
        }

        return silent * 2 >= removal.MembersBefore;
    }

    private static long AgeMs((long AgoMs, long AtMs) said, long nowMs) => said.AgoMs == long.MaxValue ? long.MaxValue : said.AgoMs + nowMs - said.AtMs;

    private Cell CellOf(int shard) => _cells[shard] ??= new Cell(shard);

    private readonly record struct Holder(ClusterNode Node, ulong Incarnation);

    private readonly record struct Removal(long AtMs, int MembersBefore);

    private sealed class Cell(int shard)
    {
        public int Shard { get; } = shard;

        /// <summary>Whether objects wait.</summary>
        public bool IsWanted { get; set; }

        public long RestsUntilMs { get; set; } = long.MinValue;

        public ClaimUnderWay? Claim { get; set; }

        public ShardLife? Open { get; set; }

        /// <summary>Closed, but objects of it still end.</summary>
        public ShardLife? Closing { get; set; }

        /// <summary>Who gets the shard once they have.</summary>
        public Holder? Asker { get; set; }

        /// <summary>Whom this node knows to have it.</summary>
        public Holder? Holder { get; set; }
    }

    private sealed class ClaimUnderWay(int shard, ulong incarnation)
    {
        public int Shard { get; } = shard;

        public ulong Incarnation { get; } = incarnation;

        public long AskedMs { get; set; }

        public HashSet<ClusterNode> Granted { get; } = [];

        /// <summary>Those of them that keep pages for this life.</summary>
        public HashSet<ClusterNode> Warm { get; } = [];

        /// <summary>Holders that somebody remembered.</summary>
        public HashSet<ClusterNode> Asked { get; } = [];

        /// <summary>Nodes that somebody else knows to be down or gone.</summary>
        public HashSet<ClusterNode> Gone { get; } = [];

        public Dictionary<(ClusterNode By, ClusterNode Node), (long AgoMs, long AtMs)> Witnessed { get; } = [];
    }
}
