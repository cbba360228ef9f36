using Grid.Node.Admin;
using Xunit;

namespace Grid.Tests.Hosting;

public sealed class ReadinessTests
{
    [Fact]
    public void A_node_is_ready_only_while_it_serves_and_every_check_holds()
    {
        var journal = ReadinessResult.Ok();
        var readiness = new Readiness();
        readiness.Add("journal", () => journal);
        Assert.False(readiness.Report().Ready);

        readiness.Phase = NodePhase.Serving;
        Assert.True(readiness.Report().Ready);

        journal = ReadinessResult.NotReady("disk full");
        var report = readiness.Report();
        Assert.False(report.Ready);
        Assert.Equal(new NamedReadiness("journal", false, "disk full"), report.Checks.Single(check => !check.Ready));

        journal = ReadinessResult.Ok();
        readiness.Phase = NodePhase.Draining;
        Assert.Equal("draining", readiness.Report().Checks.Single(check => !check.Ready).Detail);
    }
}
