using Grid.Node.Cluster.Formation;
using Xunit;

namespace Grid.Tests.Cluster;

/// <summary>Decisions that the simulated worlds reach too seldom.</summary>
public sealed class JoinDeciderTests
{
    private static readonly Fact[] Facts = [new("shards", "128")];
    private static readonly Electorate Three = Electorate.Listed(["a", "b", "c"], 2);
    private static readonly Incarnation Self = new("b", 2);
    private readonly JoinDecider _decider = new(Self, Facts, Three, new FormationTimes(TimeSpan.FromSeconds(2)), new Random(1), TimeSpan.Zero);
    private TimeSpan _now;

    public JoinDeciderTests() => _decider.Book.Set(["a", "b", "c"], TimeSpan.Zero);

    [Fact]
    public void A_run_gives_up_at_once_when_all_that_it_asked_to_take_it_in_have_started_anew()
    {
        Hear(new Incarnation("c", 1), ContactStanding.Member, new Incarnation("c", 1), new Incarnation("a", 1), new Incarnation("b", 1));
        var join = Assert.IsType<JoinDecision.Join>(Decide());
        Assert.Equal(["c", "a"], join.Members);
        Hear(new Incarnation("c", 3), ContactStanding.Starting);
        // The other may live: it could still take this run in.
        Assert.IsType<JoinDecision.Wait>(Decide());
        Hear(new Incarnation("a", 1), ContactStanding.Between);
        Assert.IsType<JoinDecision.Wait>(Decide());
        Hear(new Incarnation("a", 4), ContactStanding.Outside);
        var giveUp = Assert.IsType<JoinDecision.GiveUp>(Decide());
        Assert.Contains("started anew", giveUp.Why, StringComparison.Ordinal);
    }

    [Fact]
    public void A_run_that_was_taken_in_waits_whoever_has_started_anew()
    {
        Hear(new Incarnation("c", 1), ContactStanding.Member, new Incarnation("c", 1));
        Assert.IsType<JoinDecision.Join>(Decide());
        Hear(new Incarnation("c", 3), ContactStanding.Starting);
        var taken = new Sight(IsUp: true, [Self, new Incarnation("c", 1)], [Self]);
        Assert.IsType<JoinDecision.Wait>(_decider.Decide(taken, _now));
    }

    private JoinDecision Decide() => _decider.Decide(Sight.Nothing, _now);

    private void Hear(Incarnation from, ContactStanding standing, params Incarnation[] members)
    {
        _now += TimeSpan.FromMilliseconds(100);
        var question = _decider.Inquire(_now).Single(asked => asked.Contact == from.Address).Question;
        _decider.Hear(new ContactAnswer { Id = question.Id, Self = from, Standing = standing, Facts = Facts, Electorate = Three.Text, PromiseMs = 0, Members = members }, _now);
    }
}
