using Akka.Actor;
using Akka.Cluster;
using Grid.Protocol;

namespace Grid.Node.Pools;

/// <summary>
/// This node's side of borrowing quota; used by the view actor alone. What the registry granted and what was returned are exchanged as sums since the
/// registry's incarnation began, so a lost message is made good by the next.
/// </summary>
/// <param name="node">This node.</param>
/// <param name="settings">The settings.</param>
internal sealed class NodeQuotas(UniqueAddress node, PoolsSettings settings)
{
    private readonly Dictionary<PoolId, Line> _lines = [];
    private ulong _incarnation;
    private IActorRef? _registry;

    /// <summary>A new incarnation of the registry: the sums begin anew, and what is waited for is asked again.</summary>
    public void OnRegistry(ulong incarnation, IActorRef registry)
    {
        _incarnation = incarnation;
        _registry = registry;
        foreach (var line in _lines.Values) Ask(line);
    }

    /// <summary>A pool with a quota appeared.</summary>
    public void Add(PoolId pool, QuotaAccount account) => _lines.Add(pool, new Line(pool, account));

    /// <summary>A pool is gone; nobody gets any more of its quota.</summary>
    public void Remove(PoolId pool)
    {
        if (!_lines.Remove(pool, out var line)) return;
        foreach (var waiter in line.Waiters) waiter.Answer.TrySetResult(false);
    }

    /// <summary>An object needs quota.</summary>
    public void OnBorrow(PoolId pool, int pages, TaskCompletionSource<bool> answer)
    {
        if (!_lines.TryGetValue(pool, out var line))
        {
            answer.TrySetResult(false);
            return;
        }

        if (line.Account.Free >= pages)
        {
            answer.TrySetResult(true);
            return;
        }

        if (line.Account.IsExhausted)
        {
            answer.TrySetResult(false);
            return;
        }

        line.Waiters.Add(new Waiter(pages, answer, settings.Time.GetTimestamp()));
        // One question at a time: those who wait meanwhile are in the next one.
        if (line.Waiters.Count == 1) Ask(line);
    }

    /// <summary>The registry answers.</summary>
    public void OnAnswer(QuotaAnswer answer)
    {
        if (answer.Incarnation != _incarnation || !_lines.TryGetValue(answer.Pool, out var line)) return;
        Renew(line);
        TakeGrant(line, answer.GrantedTotal);
        switch (answer.Outcome)
        {
            case QuotaOutcome.Space:
                line.Account.MarkSpace();
                return;
            case QuotaOutcome.Exhausted:
                line.Account.MarkExhausted();
                Settle(line, waiter => waiter.Answer.TrySetResult(false));
                return;
            case QuotaOutcome.Unavailable:
                Settle(line, waiter => waiter.Answer.TrySetException(new QuotaUnavailableException(answer.Text)));
                return;
            default:
                Settle(line, unserved: null);
                Ask(line);
                return;
        }
    }

    /// <summary>The registry asks where this node stands, and perhaps for what is not in use.</summary>
    public void OnRecall(QuotaRecall recall)
    {
        if (recall.Incarnation != _incarnation || !_lines.TryGetValue(recall.Pool, out var line)) return;
        Renew(line);
        TakeGrant(line, recall.GrantedTotal);
        if (recall.Withdraw) line.Returned += line.Account.Withdraw(keepPages: 0);
        Report(line, recall.Round);
    }

    /// <summary>Asks again where an answer is late, gives up where it is too late, and returns what is far more than this node uses.</summary>
    public void OnTick()
    {
        foreach (var line in _lines.Values)
        {
            line.Waiters.RemoveAll(waiter => settings.Time.GetElapsedTime(waiter.Since) > settings.BorrowTimeout
                && waiter.Answer.TrySetException(new TimeoutException("the pool registry did not answer in time about the pool's quota")));
            Ask(line);
            if (line.Incarnation != _incarnation || _registry is null) continue;
            var plenty = Math.Max(2 * QuotaLedger.MinSlicePages, line.Account.LimitPages / 4);
            if (line.Account.Free <= plenty) continue;
            line.Returned += line.Account.Withdraw(plenty / 2);
            Report(line, round: 0);
        }
    }

    /// <summary>The node stops: nobody waits for nothing.</summary>
    public void Stop()
    {
        foreach (var waiter in _lines.Values.SelectMany(line => line.Waiters))
            waiter.Answer.TrySetException(new QuotaUnavailableException("the node stops"));
        _lines.Clear();
    }

    private void Ask(Line line)
    {
        Settle(line, unserved: null);
        if (line.Waiters.Count == 0 || _registry is null) return;
        Renew(line);
        // Free permission that does not suffice for those who wait counts towards it. What they want together may exceed the quota: some of them get it.
        var need = Math.Min(line.Waiters.Sum(waiter => (long)waiter.Pages), line.Account.LimitPages) - line.Account.Free;
        _registry.Tell(new QuotaAsk(node, _incarnation, line.Pool, Math.Max(1, need), line.Carried, line.Returned));
    }

    private void Report(Line line, long round)
    {
        // In this order: what settles or leaves meanwhile must not be missed.
        var account = line.Account;
        var settled = account.Settled;
        var leaving = account.Leaving;
        var given = account.Given;
        _registry?.Tell(new QuotaReport(node, _incarnation, line.Pool, round, account.Taken, settled, given, leaving, line.Carried, line.Returned));
    }

    /// <summary>Lets go of those who can be served with what is free, in order; the others hear what <paramref name="unserved"/> says, or wait on.</summary>
    private static void Settle(Line line, Action<Waiter>? unserved)
    {
        var free = line.Account.Free;
        line.Waiters.RemoveAll(waiter =>
        {
            if (waiter.Pages <= free)
            {
                free -= waiter.Pages;
                waiter.Answer.TrySetResult(true);
                return true;
            }

            unserved?.Invoke(waiter);
            return unserved is not null;
        });
    }

    private static void TakeGrant(Line line, long grantedTotal)
    {
        if (grantedTotal <= line.Granted) return;
        line.Account.Grant(grantedTotal - line.Granted);
        line.Granted = grantedTotal;
    }

    private void Renew(Line line)
    {
        if (line.Incarnation == _incarnation) return;
        line.Incarnation = _incarnation;
        line.Carried = line.Account.Outstanding;
        line.Granted = 0;
        line.Returned = 0;
    }

    private sealed record Waiter(int Pages, TaskCompletionSource<bool> Answer, long Since);

    private sealed class Line(PoolId pool, QuotaAccount account)
    {
        public PoolId Pool => pool;

        public QuotaAccount Account => account;

        public List<Waiter> Waiters { get; } = [];

        public ulong Incarnation { get; set; }

        public long Carried { get; set; }

        public long Granted { get; set; }

        public long Returned { get; set; }
    }
}
