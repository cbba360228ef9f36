using System.Net;
using System.Net.Sockets;
using Grid.Cli;
using Xunit;

namespace Grid.Tests.Cli;

public sealed class UsageTests
{
    [Theory]
    [InlineData("frobnicate")]
    [InlineData("pool")]
    [InlineData("pool create")]
    [InlineData("pool create no/slash")]
    [InlineData("pool create x --persistent --ephemeral")]
    [InlineData("pool create x --compression gzip")]
    [InlineData("pool create x --page-size 5KiB")]
    [InlineData("pool create x --quota 1KiB")]
    [InlineData("put p zz 0")]
    [InlineData("put p 1 -1")]
    [InlineData("put p 1 4294967296")]
    [InlineData("put p 1 0 --text a --file b")]
    [InlineData("get p 1 0 --keep --take")]
    [InlineData("get p 1")]
    [InlineData("store /tmp")]
    [InlineData("store /tmp --pool p --parallel 0")]
    [InlineData("store /tmp --pool p --parallel many")]
    [InlineData("fetch --pool p")]
    [InlineData("ls")]
    [InlineData("ping --timeout never")]
    [InlineData("ping --connect http://x:1")]
    [InlineData("ping --connect grid://x:99999")]
    [InlineData("ping --connect grid://x?colour=red")]
    [InlineData("status --admin ftp://x")]
    [InlineData("node")]
    [InlineData("nbd")]
    [InlineData("nbd create disk")]
    [InlineData("nbd create no/slash --size 1GiB")]
    [InlineData("nbd create disk --size 1GiB --page-size 5KiB")]
    [InlineData("nbd create disk --size 1GiB --compression gzip")]
    [InlineData("swap")]
    [InlineData("swap on")]
    [InlineData("swap on --export no/slash")]
    [InlineData("swap on --export s --size many")]
    [InlineData("swap on --export s --device /dev/sda")]
    [InlineData("swap on --export s --device /dev/nbd0p1")]
    [InlineData("swap on --export s --priority -1")]
    [InlineData("swap on --export s --priority 32768")]
    [InlineData("swap on --export s --connections 0")]
    [InlineData("swap on --export s --device-timeout 5s")]
    [InlineData("swap on --export s --server a:b:c")]
    [InlineData("swap on --export s --server host:99999")]
    [InlineData("swap on --export s --compression gzip")]
    [InlineData("swap off extra")]
    [InlineData("up --nodes 1")]
    [InlineData("up --nodes many")]
    public async Task BadUsageIsOneLineAndExitCode2(string line)
    {
        var (code, output, error) = await CliRun.RunAsync(line.Split(' '));
        Assert.Equal(ExitCodes.Usage, code);
        Assert.Equal("", output);
        Assert.StartsWith("grid: ", error);
        Assert.Single(error.TrimEnd().Split('\n'));
    }

    [Theory]
    [InlineData("ping")]
    [InlineData("pool list")]
    [InlineData("nbd list")]
    [InlineData("swap status --export s")]
    [InlineData("ls --pool p")]
    [InlineData("get p 1 0")]
    [InlineData("shards")]
    [InlineData("node drain")]
    public async Task WithoutANodeItIsOneLineAndExitCode3(string line)
    {
        // Bound but not listening: nobody else gets the port, and connecting to it is refused.
        using var taken = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        taken.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        var (code, output, error) = await CliRun.RunAsync([.. line.Split(' '), "--connect", $"grid://{taken.LocalEndPoint}", "--admin", $"{taken.LocalEndPoint}", "--timeout", "2s"]);
        Assert.Equal(ExitCodes.CannotConnect, code);
        Assert.Equal("", output);
        Assert.StartsWith("grid: cannot connect to ", error);
        Assert.Single(error.TrimEnd().Split('\n'));
    }

    [Theory]
    [InlineData("--help")]
    [InlineData("pool --help")]
    [InlineData("pool create --help")]
    [InlineData("put --help")]
    [InlineData("get --help")]
    [InlineData("flush --help")]
    [InlineData("store --help")]
    [InlineData("fetch --help")]
    [InlineData("ls --help")]
    [InlineData("status --help")]
    [InlineData("shards --help")]
    [InlineData("node --help")]
    [InlineData("node drain --help")]
    [InlineData("swap --help")]
    [InlineData("swap on --help")]
    [InlineData("swap off --help")]
    [InlineData("swap status --help")]
    [InlineData("up --help")]
    [InlineData("demo --help")]
    [InlineData("ping --help")]
    public async Task HelpShowsExamples(string line)
    {
        var (code, output, error) = await CliRun.RunAsync(line.Split(' '));
        Assert.Equal(ExitCodes.Ok, code);
        Assert.Equal("", error);
        Assert.Contains("  grid ", output[..output.IndexOf("Examples:", StringComparison.Ordinal)]);
        Assert.DoesNotContain("Grid.Cli", output);
    }
}
