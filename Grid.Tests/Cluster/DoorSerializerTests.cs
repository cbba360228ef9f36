using Akka.Actor;
using Akka.Configuration;
using Grid.Node.Cluster.Formation;
using Grid.Node.Hosting;
using Xunit;

namespace Grid.Tests.Cluster;

public sealed class DoorSerializerTests
{
    [Fact]
    public async Task Questions_and_answers_come_back_as_they_went()
    {
        var settings = GridSettings.Parse("");
        var config = FormationConfig.Akka(settings.Cluster.Formation).WithFallback(ConfigurationFactory.ParseString("akka.loglevel = OFF\nakka.stdout-loglevel = OFF"));
        using var system = ActorSystem.Create("door", config);
        var self = new Incarnation("akka.tcp://grid@db-1:7072", -5);
        var question = new ContactQuestion((1L << 53) - 1, self, Seeks.Renewal);
        var answer = new ContactAnswer
        {
            Id = question.Id,
            Self = self,
            Standing = ContactStanding.Member,
            Facts = [new Fact("grid.cluster.shards", "128"), Fact.Range("versions", 1, 3)],
            Electorate = "2 of a, b, c",
            PromiseMs = 4000,
            Members = [self, new Incarnation("akka.tcp://grid@db-2:7072", 7)],
        };
        foreach (object message in (object[])[question, answer])
        {
            var serializer = Assert.IsType<DoorSerializer>(system.Serialization.FindSerializerFor(message));
            var back = serializer.FromBinary(serializer.ToBinary(message), serializer.Manifest(message));
            Assert.Equivalent(message, back, strict: true);
        }

        await system.Terminate();
    }

    [Theory]
    [InlineData("A", "1-3", "3-5", true)]
    [InlineData("A", "1-3", "4-5", false)]
    [InlineData("A", "1-3", "nonsense", false)]
    [InlineData("B", "1-3", "4-5", true)]
    public void Ranges_agree_when_they_overlap_and_a_fact_that_one_side_does_not_know_counts_for_nothing(string name, string mine, string theirs, bool agree)
    {
        var difference = Fact.Difference([new Fact("A", mine, IsRange: true)], [new Fact(name, theirs)]);
        Assert.Equal(agree, difference is null);
        Assert.Equal(mine == theirs, Fact.Difference([new Fact("A", mine)], [new Fact("A", theirs)]) is null);
    }
}
