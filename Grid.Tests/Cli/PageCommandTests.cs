using Grid.Cli;
using Grid.Tests.Harness;
using Xunit;
using Xunit.Abstractions;

namespace Grid.Tests.Cli;

/// <summary>Pools and single pages through the grid command, on a real node.</summary>
public sealed class PageCommandTests(SharedNode shared, ITestOutputHelper output) : SharedNodeTest(shared, output)
{
    private readonly string _pool = Names.Unique("cli");

    [Fact]
    public async Task PoolsAreMadeShownFrozenThawedAndDestroyed()
    {
        var made = (await RunAsync("pool", "create", _pool, "--persistent", "--page-size", "16KiB", "--compression", "lz4", "--quota", "1MiB", "--json")).Exits(ExitCodes.Ok).Json();
        Assert.Equal("persistent", made.GetProperty("kind").GetString());
        Assert.Equal(16384, made.GetProperty("pageSizeBytes").GetInt32());
        Assert.Equal(64, made.GetProperty("quotaPages").GetInt32());
        (await RunAsync("pool", "create", _pool)).Exits(ExitCodes.Failed);

        Assert.Contains(_pool, (await RunAsync("pool", "list")).Exits(ExitCodes.Ok).Output);
        Assert.Contains("lz4", (await RunAsync("pool", "stat", _pool)).Exits(ExitCodes.Ok).Output);
        Assert.True((await RunAsync("pool", "freeze", _pool, "--json")).Exits(ExitCodes.Ok).Json().GetProperty("frozen").GetBoolean());
        Assert.Contains("frozen", (await RunAsync("put", _pool, "1", "0", "--text", "x", "--pad")).Exits(ExitCodes.Refused).Error);
        (await RunAsync("pool", "thaw", _pool)).Exits(ExitCodes.Ok);
        (await RunAsync("put", _pool, "1", "0", "--text", "x", "--pad")).Exits(ExitCodes.Ok);
        (await RunAsync("pool", "destroy", _pool)).Exits(ExitCodes.Ok);
        Assert.Contains(_pool, (await RunAsync("pool", "stat", _pool)).Exits(ExitCodes.Failed).Error);
    }

    [Fact]
    public async Task APageGoesInAndComesOutOnce()
    {
        using var folder = new TestFolder();
        var (source, target) = (folder.Combine("page"), folder.Combine("copy"));
        var page = PageBytes.Random(5);
        await File.WriteAllBytesAsync(source, page);
        (await RunAsync("pool", "create", _pool)).Exits(ExitCodes.Ok);
        (await RunAsync("put", _pool, "name:x", "7", "--file", source)).Exits(ExitCodes.Ok);
        Assert.StartsWith("00000000  ", (await RunAsync("get", _pool, "name:x", "7", "--keep", "--hex")).Exits(ExitCodes.Ok).Output);
        (await RunAsync("get", _pool, "name:x", "7", "--out", target)).Exits(ExitCodes.Ok);
        Assert.Equal(page, await File.ReadAllBytesAsync(target));
        var miss = (await RunAsync("get", _pool, "name:x", "7", "--json")).Exits(ExitCodes.Failed);
        Assert.False(miss.Json().GetProperty("hit").GetBoolean());
    }

    [Fact]
    public async Task APageOfAnotherLengthIsRefusedUnlessPadded()
    {
        (await RunAsync("pool", "create", _pool)).Exits(ExitCodes.Ok);
        Assert.Contains("4096", (await RunAsync("put", _pool, "1", "0", "--text", "short")).Exits(ExitCodes.Usage).Error);
        (await RunAsync("put", _pool, "1", "0", "--text", new string('x', 4097), "--pad")).Exits(ExitCodes.Usage);
        (await RunAsync("put", _pool, "1", "0", "--text", "short", "--pad")).Exits(ExitCodes.Ok);
    }

    [Fact]
    public async Task AFlushSaysWhetherSomethingWasThere()
    {
        (await RunAsync("pool", "create", _pool)).Exits(ExitCodes.Ok);
        (await RunAsync("put", _pool, "1", "0", "--text", "a", "--pad")).Exits(ExitCodes.Ok);
        (await RunAsync("put", _pool, "1", "9", "--text", "b", "--pad")).Exits(ExitCodes.Ok);
        bool[] found = [await FlushAsync("0"), await FlushAsync("0"), await FlushAsync(), await FlushAsync()];
        Assert.Equal([true, false, true, false], found);
    }

    [Fact]
    public async Task StatusComesFromTheAdminPortOrElseFromTheDataPort()
    {
        (await RunAsync("pool", "create", _pool)).Exits(ExitCodes.Ok);
        Assert.Equal("serving", (await RunAsync("status", "--json")).Exits(ExitCodes.Ok).Json().GetProperty("phase").GetString());
        Assert.Contains(_pool, (await RunAsync("status")).Exits(ExitCodes.Ok).Output);
        var elsewhere = (await CliRun.RunAsync("status", "--connect", Shared.Node.ConnectionString(), "--admin", "http://127.0.0.1:1")).Exits(ExitCodes.Ok);
        Assert.Contains(_pool, elsewhere.Output);
        Assert.Contains("--admin", elsewhere.Error);
        Assert.True((await RunAsync("ping", "--json")).Exits(ExitCodes.Ok).Json().GetProperty("microseconds").GetDouble() > 0);
    }

    private async Task<bool> FlushAsync(params string[] index) =>
        (await RunAsync(["flush", _pool, "1", .. index, "--json"])).Exits(ExitCodes.Ok).Json().GetProperty("wasThere").GetBoolean();

    private Task<CliRun> RunAsync(params string[] args) => CliRun.OnAsync(Shared.Node, args);
}
