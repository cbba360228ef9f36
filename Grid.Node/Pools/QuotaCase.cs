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
    private bool _isCounting;
    private bool _isRecalling;
    private bool _isQuick;
    private bool _isQuiet;
    private bool _isProvisional;
    private bool _waitsForCount;
    private bool _isImpatient;
    private bool _isExact = true;
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
        if (isNew) Ledger.Rebase(0, []);
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
        if (!Ledger.Report(report.Node, report.Carried, report.Returned) || _isRecalling || Ledger.AvailablePages <= 0) return;
        TellSpace();
        if (!_waitsForCount) return;
        _waitsForCount = false;
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
        while (Ledger.IsOpen && !_isRecalling && !_waitsForCount && _asks.TryPeek(out var ask))
        {
            if (Ledger.AvailablePages >= ask.Pages)
            {
                _asks.Dequeue();
                Ledger.Grant(ask.Node, ask.Pages, isScarce: false);
                Answer(ask.Node, QuotaOutcome.Granted, "");
                continue;
            }

            _isRecalling = true;
            _desk.StartRound(this, except: ask.Node, withdraw: true, _desk.Settings.RecallTimeout, _ => OnRecalled(ask));
        }
    }

    private void OnRecalled(QuotaAsk ask)
    {
        _isRecalling = false;
        if (_isProvisional && !_isImpatient && Ledger.AvailablePages < ask.Pages)
        {
            // Only an upper bound of what is in use is known so far: whether anything is left will be known with the exact number. Whole objects wait for it, so not for long.
            _waitsForCount = true;
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
        if (!_waitsForCount) return;
        _waitsForCount = false;
        _isImpatient = true;
        Serve();
    }

    private void Answer(UniqueAddress node, QuotaOutcome outcome, string text) =>
        _desk.Tell(node, new QuotaAnswer(_desk.Incarnation, Pool, Ledger.GrantedTotal(node), outcome, text));

    // ---- finding out what is in use ----
    //
    // The base is what is in use less what the living nodes took and gave back since they started; it does not change while they take and give. Each object's
    // pages are counted in the journal at some instant between two questions to all nodes. A page may have been taken and not be in the journal at that instant, but not
    // one taken longer before it than a write may take: so what the nodes had taken by the first question, asked that long before, is in the count. What they
    // had given back at the second question is at least what the count does not hold any more. Hence count − taken(first) + given(second) is the base or more,
    // and exactly the base when nothing happened in between.
    //
    // Nodes remember what they had taken that long ago, and a new ledger begins with that as if they had been asked then: nobody waits while the exact number
    // is found, except for pages that only that number can show to be free.

    private void StartCount()
    {
        if (_isCounting) return;
        _isCounting = true;
        _isQuiet = _waitsForCount;
        _countedAt = _desk.Settings.Time.GetTimestamp();
        _ghostsBefore = [.. Ledger.Ghosts];
        _desk.StartRound(this, except: null, withdraw: false, _desk.Settings.BorrowTimeout / 2, OnFirst);
    }

    private void OnFirst(QuotaRound round)
    {
        if (Fails(round)) return;
        _before = round.Reports;
        _isQuick = _isDurable && !Ledger.IsOpen;
        if (!_isDurable) Finish(0, []);
        else if (_isQuick) _desk.StartCounting(Pool);
        else if (_ghostsBefore.Count > 0 || _before.Values.Any(report => report.Taken > 0)) _desk.StartSettling(Pool);
        else _desk.StartCounting(Pool);
    }

    /// <summary>What was being written at the first question is in the journal now, or will never be.</summary>
    public void OnSettled() => _desk.StartCounting(Pool);

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
        _isExact = true;
        foreach (var (node, now) in round.Reports)
        {
            var before = _before.GetValueOrDefault(node);
            var taken = (_isQuick ? before?.Settled : before?.Taken) ?? 0;
            basePages += now.Given - taken;
            if (now.Taken != taken || now.Given != (before?.Given ?? 0)) _isExact = false;
        }

        if (!_isQuick)
        {
            // What was taken meanwhile counts twice. While everybody waits, or has been sent away, that is next to nothing.
            if (_isExact || _isQuiet || _isImpatient) _isProvisional = false;
            Finish(basePages, _ghostsBefore);
            return;
        }

        // Nodes that are gone are counted with the exact number: what they were writing may not be in the journal yet.
        _isProvisional = !_isExact;
        Finish(basePages, []);
        if (_isProvisional || Ledger.Ghosts.Count > 0) StartCount();
    }

    private bool Fails(QuotaRound round)
    {
        if (round.Pending.Count == 0) return false;
        Fail($"{string.Join(", ", round.Pending.Select(node => node.Address.ToString()))} did not say how much of the quota is in use there");
        return true;
    }

    private void Finish(long basePages, IReadOnlyCollection<UniqueAddress> counted)
    {
        _isCounting = false;
        _waitsForCount = false;
        Ledger.Rebase(basePages, counted);
        _isImpatient &= _isProvisional;
        // Whoever was told in haste that nothing is left hears where there is.
        TellSpace();
        Serve();
    }

    private void Fail(string why)
    {
        _isCounting = false;
        _isProvisional = false;
        if (Ledger.IsOpen && !_waitsForCount) return;
        _waitsForCount = false;
        while (_asks.TryDequeue(out var ask)) Answer(ask.Node, QuotaOutcome.Unavailable, why);
    }
}
