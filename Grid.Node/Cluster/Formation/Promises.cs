namespace Grid.Node.Cluster.Formation;

/// <summary>
/// The one promise a node has given: to join no cluster that is formed by another node than this one. One at a time, for <see cref="FormationTimes.Stable"/>, and none
/// in the first such time after the start, when one of the node's earlier run may still hold.
/// </summary>
/// <param name="times">How long.</param>
/// <param name="started">When this run began.</param>
internal sealed class Promises(FormationTimes times, TimeSpan started)
{
    private readonly Dictionary<Incarnation, TimeSpan> _sought = [];
    private Incarnation _to;
    private TimeSpan _until = TimeSpan.MinValue;

    /// <summary>Whether the node may promise anything yet.</summary>
    public bool MayPromise(TimeSpan now) => now >= started + times.Stable;

    /// <summary>To whom a promise holds now.</summary>
    public Incarnation? HeldBy(TimeSpan now) => now < _until ? _to : null;

    /// <summary>Gives a promise unless another one holds or a node with a lower address seeks one too.</summary>
    /// <param name="asker">To whom.</param>
    /// <param name="renew">Lengthen the one that it has.</param>
    /// <param name="now">Now.</param>
    /// <returns>How long it holds from now; zero: none.</returns>
    public TimeSpan Give(Incarnation asker, bool renew, TimeSpan now)
    {
        if (!MayPromise(now)) return TimeSpan.Zero;
        _sought[asker] = now;
        if (now < _until)
        {
            if (_to != asker) return TimeSpan.Zero;
            if (renew) _until = now + times.Stable;
            return _until - now;
        }

        foreach (var (other, at) in _sought.ToArray())
        {
            if (now - at > times.AskEvery * 4) _sought.Remove(other);
            else if (string.CompareOrdinal(other.Address, asker.Address) < 0) return TimeSpan.Zero;
        }

        (_to, _until) = (asker, now + times.Stable);
        return times.Stable;
    }
}
