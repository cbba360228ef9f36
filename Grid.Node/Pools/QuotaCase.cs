using Akka.Cluster;
using Akka.Event;
using Grid.Protocol;

namespace Grid.Node.Pools;

/// <summary>
/// One pool's quota at the registry: first finds out what is in use, then grants in the order of asking. Where too little is left, the other nodes hand
/// back what they do not use before anybody hears "nothing left".
/// </summary>
internal sealed class QuotaCase
{
    private const int MaxQueuedAsks = 1024;
    private static readonly TimeSpan RecountEvery = TimeSpan.FromSeconds(30);

    private readonly QuotaDesk _desk;
    private readonly bool _isDurable;
    private readonly Queue<QuotaAsk> _asks = new();
    private readonly HashSet<UniqueAddress> _exhausted = [];
    private readonly Dictionary<UniqueAddress, long> _landed = [];
    private WaitFor _waitsFor;
    private bool _isPatient = true;
    private bool _isCounting;
    private bool _isExact;
    private long _countedAt;
    private Dictionary<UniqueAddress, QuotaReport> _before = [];
    private List<UniqueAddress> _ghostsBefore = [];
    private long _countedPages;

    /// <summary>Makes the case of a pool; it opens with the first question.</summary>
    public QuotaCase(QuotaDesk desk, PoolId pool, PoolOptions options, bool isNew)
    {
        _desk = desk;
        Pool = pool;
        _isDurable = options.Kind == PoolKind.Persistent;
        Ledger = new QuotaLedger((long)Math.Min(options.QuotaPages, long.MaxValue / 4), _isDurable);
        if (!isNew) return;
        Ledger.Rebase(0, []);
        _isExact = true;
    }

    /// <summary>What the first in line waits for.</summary>
    private enum WaitFor
    {
        /// <summary>For its turn only.</summary>
        Nothing,

        /// <summary>For the other nodes, which are asked to hand back what they do not use.</summary>
        Recall,

        /// <summary>For the exact number of pages: too little is left by the upper bound that is known.</summary>
        Count,
    }

    /// <summary>The pool.</summary>
    public PoolId Pool { get; }

    /// <summary>Who holds how much.</summary>
    public QuotaLedger Ledger { get; }

    /// <summary>A node asks.</summary>
    public void OnAsk(QuotaAsk ask)
    {
        Ledger.Report(ask.Node, ask.Carried, ask.Returned);
        // A node asks again when an answer is late: one question of each is enough.
        if (_asks.Any(other => other.Node.Equals(ask.Node)) || _asks.Count >= MaxQueuedAsks) return;
        _asks.Enqueue(ask);
        if (!Ledger.IsOpen) StartCount();
        Serve();
    }

    /// <summary>A node says where it stands.</summary>
    public void OnReport(QuotaReport report)
    {
        if (!Ledger.Report(report.Node, report.Carried, report.Returned) || _waitsFor == WaitFor.Recall || Ledger.AvailablePages <= 0) return;
        TellSpace();
        _waitsFor = WaitFor.Nothing;
        Serve();
    }

    private void TellSpace()
    {
        if (Ledger.AvailablePages <= 0) return;
        foreach (var node in _exhausted) Answer(node, QuotaOutcome.Space, "");
        _exhausted.Clear();
    }

    /// <summary>Nodes are gone for good.</summary>
    public void OnGone(IReadOnlyCollection<UniqueAddress> gone)
    {
        foreach (var node in gone)
        {
            Ledger.Remove(node);
            _exhausted.Remove(node);
        }

        if (Ledger.IsOpen && Ledger.Ghosts.Count > 0) StartCount();
    }

    // ---- granting ----

    private void Serve()
    {
        while (Ledger.IsOpen && _waitsFor == WaitFor.Nothing && _asks.TryPeek(out var ask))
        {
            if (Ledger.AvailablePages >= ask.Pages)
            {
                _asks.Dequeue();
                Ledger.Grant(ask.Node, ask.Pages, isScarce: false);
                Answer(ask.Node, QuotaOutcome.Granted, "");
                continue;
            }

            _waitsFor = WaitFor.Recall;
            _desk.StartRound(this, except: ask.Node, withdraw: true, _desk.Settings.RecallTimeout, _ => OnRecalled(ask));
        }
    }

    private void OnRecalled(QuotaAsk ask)
    {
        _waitsFor = WaitFor.Nothing;
        if (!_isExact && _isPatient && Ledger.AvailablePages < ask.Pages)
        {
            // Whole objects wait for it, so not for long.
            _waitsFor = WaitFor.Count;
            StartCount();
            _desk.StartPatience(Pool);
            return;
        }

        _asks.Dequeue();
        if (Ledger.Grant(ask.Node, ask.Pages, isScarce: true))
        {
            Answer(ask.Node, QuotaOutcome.Granted, "");
        }
        else
        {
            _exhausted.Add(ask.Node);
            Answer(ask.Node, QuotaOutcome.Exhausted, "");
            var mayBeTooHigh = !_isExact || Ledger.Ghosts.Count > 0;
            if (mayBeTooHigh && _desk.Settings.Time.GetElapsedTime(_countedAt) > RecountEvery) StartCount();
        }

        Serve();
    }

    /// <summary>Those who wait for the exact number have waited long enough: nothing is left, as far as is known. Once more is known, they are told.</summary>
    public void OnPatienceOver()
    {
        if (_waitsFor != WaitFor.Count) return;
        _waitsFor = WaitFor.Nothing;
        _isPatient = false;
        Serve();
    }

    private void Answer(UniqueAddress node, QuotaOutcome outcome, string text) =>
        _desk.Tell(node, new QuotaAnswer(_desk.Incarnation, Pool, Ledger.GrantedTotal(node), outcome, text));

    // ---- finding out what is in use ----
    //
    // The base is what is in use less what the living nodes took and gave back since they started; it does not change while they take and give. Each object's
    // pages are counted in the journal at some instant between two questions to all nodes. What had settled by the first question is in the count, or is not and shows in
    // the second question. What nodes have given back or may yet give back for writes under way, by the second question, is at least what the count does not hold
    // any more. Hence count − settled(first) + given(second) + leaving(second) is the base or more, and exactly the base when nothing was under way and nothing happened in between.
    //
    // Of nodes that are gone nobody knows what was under way, only that it has ended after some time. The same goes for what a node took and never told the end of, so an upper bound that
    // stays one is found again in this way too.

    private void StartCount()
    {
        if (_isCounting) return;
        _isCounting = true;
        _countedAt = _desk.Settings.Time.GetTimestamp();
        _ghostsBefore = [];
        _landed.Clear();
        var waitsForWrites = Ledger.IsOpen && _waitsFor != WaitFor.Count;
        if (waitsForWrites) _ghostsBefore.AddRange(Ledger.Ghosts);
        _desk.StartRound(this, except: null, withdraw: false, _desk.Settings.BorrowTimeout / 2, waitsForWrites ? OnAskedEarly : OnFirst);
    }

    private void OnAskedEarly(QuotaRound round)
    {
        if (Fails(round)) return;
        foreach (var (node, report) in round.Reports) _landed[node] = report.Taken;
        _desk.StartSettling(Pool);
    }

    /// <summary>What was being written when the nodes were asked early is in the journal now, or will never be.</summary>
    public void OnSettled() => _desk.StartRound(this, except: null, withdraw: false, _desk.Settings.BorrowTimeout / 2, OnFirst);

    private void OnFirst(QuotaRound round)
    {
        if (Fails(round)) return;
        _before = round.Reports;
        foreach (var (node, report) in round.Reports) _landed[node] = Math.Max(report.Settled, _landed.GetValueOrDefault(node));
        if (_isDurable) _desk.StartCounting(Pool);
        else Finish(0, isExact: true);
    }

    /// <summary>The pages were counted, or could not be.</summary>
    public void OnCounted(long pages, Exception? failure)
    {
        if (failure is not null)
        {
            _desk.Log.Warning(failure, "The pages of pool {0} could not be counted", Pool);
            Fail($"the pool's pages could not be counted: {failure.Message}");
            return;
        }

        _countedPages = pages;
        _desk.StartRound(this, except: null, withdraw: false, _desk.Settings.BorrowTimeout / 2, OnSecond);
    }

    private void OnSecond(QuotaRound round)
    {
        if (Fails(round)) return;
        var basePages = _countedPages;
        var isExact = true;
        foreach (var (node, now) in round.Reports)
        {
            var landed = _landed.GetValueOrDefault(node);
            basePages += now.Given + now.Leaving - landed;
            isExact &= now.Leaving == 0 && now.Taken == landed && now.Given == (_before.GetValueOrDefault(node)?.Given ?? 0);
        }

        Finish(basePages, isExact);
    }

    private bool Fails(QuotaRound round)
    {
        if (round.Pending.Count == 0) return false;
        Fail($"{string.Join(", ", round.Pending.Select(node => node.Address.ToString()))} did not say how much of the quota is in use there");
        return true;
    }

    private void Finish(long basePages, bool isExact)
    {
        _isCounting = false;
        // Without ghosts it is still the same base: an exact number stays one.
        _isExact = isExact || (_isExact && _ghostsBefore.Count == 0);
        _isPatient |= _isExact;
        Ledger.Rebase(basePages, _ghostsBefore);
        // Whoever was told in haste that nothing is left hears where there is.
        TellSpace();
        if (_waitsFor == WaitFor.Count && !_isExact && _asks.TryPeek(out var ask) && Ledger.AvailablePages < ask.Pages)
        {
            _desk.StartPause(Pool);
            return;
        }

        if (_waitsFor == WaitFor.Count) _waitsFor = WaitFor.Nothing;
        Serve();
        if (Ledger.Ghosts.Count > 0) StartCount();
    }

    /// <summary>Somebody waited for an exact number: the last count was none.</summary>
    public void OnRecount()
    {
        if (_waitsFor == WaitFor.Count || Ledger.Ghosts.Count > 0) StartCount();
    }

    private void Fail(string why)
    {
        _isCounting = false;
        if (Ledger.IsOpen && _waitsFor != WaitFor.Count) return;
        _waitsFor = WaitFor.Nothing;
        while (_asks.TryDequeue(out var ask)) Answer(ask.Node, QuotaOutcome.Unavailable, why);
    }
}
