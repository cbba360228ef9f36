using Grid.Cli;
using Grid.Tests.Harness;
using Xunit;
using Xunit.Abstractions;

namespace Grid.Tests.Cli;

/// <summary>Block devices at the shell.</summary>
public sealed class NbdCommandTests(SharedNode shared, ITestOutputHelper output) : SharedNodeTest(shared, output)
{
    [Fact]
    public async Task A_block_device_is_created_listed_resized_and_removed_with_its_data()
    {
        var name = Names.Unique("disk");
        var made = (await CliRun.OnAsync(Shared.Node, "nbd", "create", name, "--size", "8GiB", "--page-size", "16KiB", "--read-only", "--json")).Exits(ExitCodes.Ok).Json();
        Assert.Equal((8L << 30, 16384, true, $"nbd-{name}"), (made.GetProperty("sizeBytes").GetInt64(), made.GetProperty("pageSizeBytes").GetInt32(), made.GetProperty("readOnly").GetBoolean(), made.GetProperty("pool").GetString()));
        Assert.Contains("already", (await CliRun.OnAsync(Shared.Node, "nbd", "create", name, "--size", "8GiB")).Exits(ExitCodes.Failed).Error);
        Assert.Contains("multiple of the page size", (await CliRun.OnAsync(Shared.Node, "nbd", "create", Names.Unique("disk"), "--size", "1000")).Exits(ExitCodes.Usage).Error);
        Assert.Contains("shrink", (await CliRun.OnAsync(Shared.Node, "nbd", "resize", name, "--size", "1GiB")).Exits(ExitCodes.Usage).Error);
        Assert.Contains("9 GiB", (await CliRun.OnAsync(Shared.Node, "nbd", "resize", name, "--size", "9GiB")).Exits(ExitCodes.Ok).Output);
        Assert.Matches($"{name} +9 GiB +16 KiB +read only +nbd-{name}", (await CliRun.OnAsync(Shared.Node, "nbd", "list")).Exits(ExitCodes.Ok).Output);
        Assert.Contains("pages are in pool", (await CliRun.OnAsync(Shared.Node, "nbd", "remove", name)).Exits(ExitCodes.Ok).Output);
        (await CliRun.OnAsync(Shared.Node, "nbd", "create", name, "--size", "1GiB")).Exits(ExitCodes.Ok);
        (await CliRun.OnAsync(Shared.Node, "nbd", "remove", name, "--with-data")).Exits(ExitCodes.Ok);
        (await CliRun.OnAsync(Shared.Node, "nbd", "remove", name)).Exits(ExitCodes.Failed);
        Assert.Contains("no pool", (await CliRun.OnAsync(Shared.Node, "pool", "stat", $"nbd-{name}")).Exits(ExitCodes.Failed).Error);
    }
}
