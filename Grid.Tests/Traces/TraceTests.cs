using Grid.Tests.Harness;
using Xunit;
using Xunit.Abstractions;

namespace Grid.Tests.Traces;

/// <summary>What Linux's own tmem code answered (data/FORMAT.md), asked of a live node: every result and every byte equal.</summary>
public sealed class TraceTests(SharedNode shared, ITestOutputHelper output) : SharedNodeTest(shared, output)
{
    [Theory]
    [InlineData("k01_private_ephemeral", 10_000)]
    [InlineData("k02_private_persistent", 10_000)]
    [InlineData("k03_shared_ephemeral", 10_000)]
    [InlineData("k04_shared_persistent", 10_000)]
    [InlineData("m01_mixed", 20_000)]
    [InlineData("f01_put_fail_page", 20_000)]
    public async Task A_trace_replayed_in_order_answers_as_Linuxs_tmem_did(string name, int steps) => await ReplayAsync(name, steps, window: 1);

    [Theory]
    [InlineData("k01_private_ephemeral", 10_000)]
    [InlineData("k04_shared_persistent", 10_000)]
    [InlineData("m01_mixed", 20_000)]
    [InlineData("g01_one_object_20000_persistent", 29_211)]
    public async Task A_trace_whose_independent_steps_overlap_answers_as_Linuxs_tmem_did(string name, int steps) => await ReplayAsync(name, steps, window: 64);

    private async Task ReplayAsync(string name, int steps, int window)
    {
        var trace = await Trace.ReadAsync(name);
        Assert.Equal(steps, trace.Count);
        await new TraceReplay(Client, Names.Unique("trace"), window).RunAsync(trace);
    }
}
