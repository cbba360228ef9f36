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

    [Fact]
    public async Task A_block_device_with_an_origin_is_created_and_one_over_a_cache_alone_is_refused()
    {
        var (golden, scratch, cache) = (Names.Unique("golden"), Names.Unique("scratch"), Names.Unique("cache"));
        var made = (await CliRun.OnAsync(Shared.Node, "nbd", "create", golden, "--origin", "nbd://10.0.0.5/debian", "--read-only", "--pool", cache, "--json")).Exits(ExitCodes.Ok).Json();
        Assert.Equal(("nbd://10.0.0.5/debian", false, 0L), (made.GetProperty("origin").GetString(), made.GetProperty("isBacking").GetBoolean(), made.GetProperty("sizeBytes").GetInt64()));
        Assert.Contains($"backed by /srv/{scratch}", (await CliRun.OnAsync(Shared.Node, "nbd", "create", scratch, "--backing", $"/srv/{scratch}", "--size", "1GiB", "--pool", cache)).Exits(ExitCodes.Ok).Output);
        Assert.Matches($"{golden} +as its origin +4 KiB +read only +{cache} +nbd://10.0.0.5/debian", (await CliRun.OnAsync(Shared.Node, "nbd", "list")).Exits(ExitCodes.Ok).Output);
        var other = Names.Unique("cache");
        await Shared.Client.CreatePoolAsync(other, new Grid.Protocol.PoolOptions());
        Assert.Contains("backing", (await CliRun.OnAsync(Shared.Node, "nbd", "create", Names.Unique("disk"), "--size", "1GiB", "--pool", other)).Exits(ExitCodes.Usage).Error);
        Assert.Contains("name one of them", (await CliRun.OnAsync(Shared.Node, "nbd", "create", Names.Unique("disk"), "--size", "1GiB", "--origin", "/a", "--backing", "/b")).Exits(ExitCodes.Usage).Error);
        Assert.Contains("absolute", (await CliRun.OnAsync(Shared.Node, "nbd", "create", Names.Unique("disk"), "--origin", "a/b")).Exits(ExitCodes.Usage).Error);
        Assert.Contains("--size", (await CliRun.OnAsync(Shared.Node, "nbd", "create", Names.Unique("disk"), "--backing", "/b")).Exits(ExitCodes.Usage).Error);
        Assert.Contains($"used by '{scratch}'", (await CliRun.OnAsync(Shared.Node, "nbd", "remove", golden, "--with-data")).Exits(ExitCodes.Ok).Output);
        Assert.Contains($"/srv/{scratch} is as it is", (await CliRun.OnAsync(Shared.Node, "nbd", "remove", scratch, "--with-data")).Exits(ExitCodes.Ok).Output);
        Assert.Contains("no pool", (await CliRun.OnAsync(Shared.Node, "pool", "stat", cache)).Exits(ExitCodes.Failed).Error);
    }
}
