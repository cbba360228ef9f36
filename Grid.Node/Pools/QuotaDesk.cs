using Akka.Actor;
using Akka.Cluster;
using Akka.Event;
using Grid.Protocol;

namespace Grid.Node.Pools;

/// <summary>
/// Lends slices of quotas to the nodes. Child of the registry and as old as its incarnation; one <see cref="QuotaCase"/> a pool. It fails with the registry,
/// never alone: the sums it exchanges with the nodes count from the incarnation's begin.
/// </summary>
internal sealed class QuotaDesk : ReceiveActor, IWithTimers
{
    private readonly PoolsSettings _settings;
    private readonly Dictionary<PoolId, QuotaCase> _cases = [];
    private readonly Dictionary<long, QuotaRound> _rounds = [];
    private readonly CancellationTokenSource _stopping = new();
    private Dictionary<UniqueAddress, IActorRef> _views = [];
    private HashSet<UniqueAddress> _nodes = [];
    private long _lastRound;

    public QuotaDesk(PoolsSettings settings, ulong incarnation)
    {
        _settings = settings;
        Incarnation = incarnation;
        Receive<Asked>(OnAsked);
        Receive<QuotaReport>(OnReport);
        Receive<Nodes>(OnNodes);
        Receive<Drop>(drop => _cases.Remove(drop.Pool));
        Receive<Resend>(resend => OnResend(resend.Round));
        Receive<RoundOver>(over => EndRound(over.Round));
        Receive<PatienceOver>(over => _cases.GetValueOrDefault(over.Pool)?.OnPatienceOver());
        Receive<Settled>(settled => _cases.GetValueOrDefault(settled.Pool)?.OnSettled());
        Receive<Recount>(recount => _cases.GetValueOrDefault(recount.Pool)?.OnRecount());
        Receive<Counted>(counted => _cases.GetValueOrDefault(counted.Pool)?.OnCounted(counted.Pages, counted.Failure));
    }

    /// <summary>A node asks; the registry adds what pool it is about.</summary>
    /// <param name="Ask">The question.</param>
    /// <param name="Options">The pool's attributes.</param>
    /// <param name="IsNew">Whether this incarnation created the pool: then all its pages come from what it grants.</param>
    public sealed record Asked(QuotaAsk Ask, PoolOptions Options, bool IsNew) : INoSerializationVerificationNeeded;

    /// <summary>The nodes that count, and the views of those that said hello.</summary>
    public sealed record Nodes(HashSet<UniqueAddress> Members, Dictionary<UniqueAddress, IActorRef> Views) : INoSerializationVerificationNeeded;

    /// <summary>A pool is destroyed.</summary>
    public sealed record Drop(PoolId Pool) : INoSerializationVerificationNeeded;

    private sealed record Resend(long Round) : INoSerializationVerificationNeeded;

    private sealed record RoundOver(long Round) : INoSerializationVerificationNeeded;

    private sealed record Settled(PoolId Pool) : INoSerializationVerificationNeeded;

    private sealed record Recount(PoolId Pool) : INoSerializationVerificationNeeded;

    private sealed record PatienceOver(PoolId Pool) : INoSerializationVerificationNeeded;

    private sealed record Counted(PoolId Pool, long Pages, Exception? Failure) : INoSerializationVerificationNeeded;

    public ITimerScheduler Timers { get; set; } = null!;

    /// <summary>The registry's incarnation.</summary>
    public ulong Incarnation { get; }

    /// <summary>The settings.</summary>
    public PoolsSettings Settings => _settings;

    /// <summary>The log.</summary>
    public ILoggingAdapter Log { get; } = Context.GetLogger();

    protected override void PostStop()
    {
        _stopping.Cancel();
        _stopping.Dispose();
    }

    private void OnAsked(Asked asked)
    {
        if (asked.Ask.Incarnation != Incarnation || !_nodes.Contains(asked.Ask.Node) || asked.Options.QuotaPages == 0) return;
        if (!_cases.TryGetValue(asked.Ask.Pool, out var quota)) _cases.Add(asked.Ask.Pool, quota = new QuotaCase(this, asked.Ask.Pool, asked.Options, asked.IsNew));
        quota.OnAsk(asked.Ask);
    }

    private void OnReport(QuotaReport report)
    {
        if (report.Incarnation != Incarnation || !_nodes.Contains(report.Node) || !_cases.TryGetValue(report.Pool, out var quota)) return;
        quota.OnReport(report);
        if (!_rounds.TryGetValue(report.Round, out var round) || !round.Pending.Remove(report.Node)) return;
        round.Reports[report.Node] = report;
        if (round.Pending.Count == 0) EndRound(report.Round);
    }

    private void OnNodes(Nodes nodes)
    {
        var gone = _nodes.Where(node => !nodes.Members.Contains(node)).ToList();
        _nodes = nodes.Members;
        _views = nodes.Views;
        if (gone.Count == 0) return;
        foreach (var round in _rounds.Values.ToList())
        {
            round.Pending.ExceptWith(gone);
            if (round.Pending.Count == 0) EndRound(round.Number);
        }

        foreach (var quota in _cases.Values) quota.OnGone(gone);
    }

    /// <summary>Tells a node's view something, if it has said hello.</summary>
    public void Tell(UniqueAddress node, object message) => _views.GetValueOrDefault(node)?.Tell(message);

    /// <summary>Asks all nodes but one where they stand with a pool; <paramref name="done"/> gets what they said until <paramref name="timeout"/>.</summary>
    /// <param name="quota">The pool.</param>
    /// <param name="except">Who is not asked, if anybody.</param>
    /// <param name="withdraw">Whether they are to hand back what they do not use.</param>
    /// <param name="timeout">How long to wait for them.</param>
    /// <param name="done">What to do then.</param>
    public void StartRound(QuotaCase quota, UniqueAddress? except, bool withdraw, TimeSpan timeout, Action<QuotaRound> done)
    {
        var round = new QuotaRound(++_lastRound, quota, withdraw, [.. _nodes.Where(node => !node.Equals(except))], done);
        _rounds.Add(round.Number, round);
        Timers.StartSingleTimer((nameof(RoundOver), round.Number), new RoundOver(round.Number), timeout);
        OnResend(round.Number);
        if (round.Pending.Count == 0) EndRound(round.Number);
    }

    /// <summary>Tells the case when writes under way have ended.</summary>
    public void StartSettling(PoolId pool) => Timers.StartSingleTimer((nameof(Settled), pool), new Settled(pool), _settings.QuotaSettle);

    /// <summary>Tells the case when those who wait for an exact number have waited long enough.</summary>
    public void StartPatience(PoolId pool) => Timers.StartSingleTimer((nameof(PatienceOver), pool), new PatienceOver(pool), _settings.CountPatience);

    /// <summary>Tells the case when it is time to count again.</summary>
    public void StartPause(PoolId pool) => Timers.StartSingleTimer((nameof(Recount), pool), new Recount(pool), _settings.RecountPause);

    /// <summary>Counts a pool's pages and tells the case.</summary>
    public void StartCounting(PoolId pool) => _ = CountAsync(_settings.CountPages, pool, _stopping.Token).PipeTo(Self);

    private static async Task<Counted> CountAsync(Func<PoolId, CancellationToken, Task<long>> countPages, PoolId pool, CancellationToken stopping)
    {
        try
        {
            return new Counted(pool, await countPages(pool, stopping).ConfigureAwait(false), null);
        }
        catch (Exception failure)
        {
            return new Counted(pool, 0, failure);
        }
    }

    private void OnResend(long number)
    {
        if (!_rounds.TryGetValue(number, out var round)) return;
        foreach (var node in round.Pending)
            Tell(node, new QuotaRecall(Incarnation, round.Quota.Pool, number, round.Withdraw, round.Quota.Ledger.GrantedTotal(node)));
        Timers.StartSingleTimer((nameof(Resend), number), new Resend(number), TimeSpan.FromMilliseconds(300));
    }

    private void EndRound(long number)
    {
        if (!_rounds.Remove(number, out var round)) return;
        Timers.Cancel((nameof(RoundOver), number));
        Timers.Cancel((nameof(Resend), number));
        round.Done(round);
    }
}

/// <summary>A question put to several nodes at once.</summary>
/// <param name="Number">Names it.</param>
/// <param name="Quota">The pool it is about.</param>
/// <param name="Withdraw">Whether the nodes are to hand back.</param>
/// <param name="Pending">Who has not answered yet.</param>
/// <param name="Done">What to do when all have, or time is up.</param>
internal sealed record QuotaRound(long Number, QuotaCase Quota, bool Withdraw, HashSet<UniqueAddress> Pending, Action<QuotaRound> Done)
{
    /// <summary>What the nodes said.</summary>
    public Dictionary<UniqueAddress, QuotaReport> Reports { get; } = [];
}
