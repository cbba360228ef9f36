using Grid.Cli;
using Grid.Cli.Swap;
using Grid.Protocol;
using Grid.Tests.Frontends.Nbd;
using Grid.Tests.Harness;
using Xunit;
using Xunit.Abstractions;

namespace Grid.Tests.Cli;

/// <summary>What a machine lacks is said before anything is changed.</summary>
public sealed class SwapRefusalTests(NbdNode shared, ITestOutputHelper output) : NbdTest(shared, output), IDisposable
{
    private readonly FakeMachine _machine = new();
    private readonly string _name = Names.Unique("swap");

    public void Dispose() => _machine.Dispose();

    [Fact]
    public async Task Who_is_not_root_is_told_so()
    {
        var run = await CliRun.RunAsync(_machine.AsUser, Line());
        Assert.Contains("only root", run.Exits(ExitCodes.Failed).Error);
        await AssertUntouchedAsync();
    }

    [Theory]
    [InlineData(".dockerenv")]
    [InlineData("run/.containerenv")]
    [InlineData("run/systemd/container")]
    public async Task A_container_is_refused(string mark)
    {
        _machine.Write(mark, "");
        Assert.Contains("this is a container", (await RunAsync()).Exits(ExitCodes.Failed).Error);
        await AssertUntouchedAsync();
    }

    [Theory]
    [InlineData("nbd-client", "apt-get install nbd-client")]
    [InlineData("mkswap", "apt-get install util-linux")]
    [InlineData("swapon", "apt-get install mount")]
    [InlineData("swapoff", "apt-get install mount")]
    public async Task A_program_that_is_missing_is_named_with_its_package(string program, string hint)
    {
        _machine.Remove($"bin/{program}");
        var error = (await RunAsync()).Exits(ExitCodes.Failed).Error;
        Assert.Contains($"{program} is not installed", error);
        Assert.Contains(hint, error);
        await AssertUntouchedAsync();
    }

    [Fact]
    public async Task The_kernels_module_is_loaded_and_its_absence_said()
    {
        _machine.Remove("dev");
        _machine.Fails("modprobe", "modprobe: FATAL: Module nbd not found in directory /lib/modules/6.1");
        var error = (await RunAsync()).Exits(ExitCodes.Failed).Error;
        Assert.Contains("this kernel has no NBD (modprobe nbd: modprobe: FATAL: Module nbd not found", error);
        Assert.Contains("linux-modules-extra", error);
        (await RunAsync()).Exits(ExitCodes.Ok);
        Assert.Equal("modprobe nbd", _machine.Calls[1]);
    }

    [Fact]
    public async Task Without_modprobe_or_devices_it_is_said()
    {
        _machine.Remove("dev");
        _machine.Write("bin/modprobe", "#!/bin/sh\nexit 0\n");
        Assert.Contains("nbds_max=0", (await RunAsync()).Exits(ExitCodes.Failed).Error);
        _machine.Remove("bin/modprobe");
        Assert.Contains("no modprobe", (await RunAsync()).Exits(ExitCodes.Failed).Error);
        await AssertUntouchedAsync();
    }

    [Fact]
    public async Task A_device_that_is_used_is_left_alone()
    {
        _machine.Write("sys/block/nbd0/pid", "1\n");
        Assert.Contains("/dev/nbd0 is attached already", (await RunAsync("--device", "/dev/nbd0")).Exits(ExitCodes.Failed).Error);
        Assert.Contains("there is no /dev/nbd7", (await RunAsync("--device", "/dev/nbd7")).Exits(ExitCodes.Failed).Error);
        await AssertUntouchedAsync();
        Assert.Contains("swapping to /dev/nbd1", (await RunAsync()).Exits(ExitCodes.Ok).Output);
        Assert.Contains("every /dev/nbd device is attached", (await CliRun.RunAsync(_machine.Machine, Line("--export", Names.Unique("swap")))).Exits(ExitCodes.Failed).Error);
    }

    [Fact]
    public async Task A_machine_that_runs_a_node_is_refused_unless_told()
    {
        var line = Line().Where(word => word != "--allow-same-host").ToArray();
        var error = (await CliRun.RunAsync(_machine.Machine, line)).Exits(ExitCodes.Failed).Error;
        Assert.Contains("is an address of this machine", error);
        Assert.Contains("--allow-same-host", error);
        await AssertUntouchedAsync();
    }

    [Fact]
    public async Task A_node_is_found_by_its_address_and_by_its_process()
    {
        var requirements = new SwapRequirements(_machine.Machine);
        Topology With(string address) => new([new TopologyNode("node-1", address, "Up")], []);
        // Addresses that belong to nobody (RFC 5737).
        await requirements.RequireOtherHostAsync("192.0.2.7", With("192.0.2.8:7070"), default);
        Assert.Contains("node-1 (127.0.0.9:7070) runs on this machine", (await Assert.ThrowsAsync<CliException>(() => requirements.RequireOtherHostAsync("192.0.2.7", With("127.0.0.9:7070"), default))).Message);
        _machine.Write("proc/12/cmdline", "dotnet\0exec\0/opt/grid/Grid.Node.dll\0--set\0a=b\0");
        Assert.Contains("(process 12)", (await Assert.ThrowsAsync<CliException>(() => requirements.RequireOtherHostAsync("192.0.2.7", With("192.0.2.8:7070"), default))).Message);
    }

    [Fact]
    public async Task Nobody_who_serves_devices_is_an_address_that_does_not_answer()
    {
        Assert.Contains("no node serves block devices there", (await CliRun.RunAsync(_machine.Machine, Line("--server", "127.0.0.1:1"))).Exits(ExitCodes.CannotConnect).Error);
        await AssertUntouchedAsync();
    }

    [Fact]
    public async Task An_export_that_does_not_fit_is_refused()
    {
        await Exports.CreateAsync(_name, 4 << 20, $"nbd-{_name}");
        Assert.Contains("is there with 4 MiB", (await RunAsync()).Exits(ExitCodes.Usage).Error);
        var readOnly = Names.Unique("swap");
        await Exports.CreateAsync(readOnly, FakeMachine.SizeBytes, $"nbd-{readOnly}", readOnly: true);
        Assert.Contains("is read only", (await CliRun.RunAsync(_machine.Machine, Line("--export", readOnly))).Exits(ExitCodes.Failed).Error);
        Assert.Contains("needs 3.16 or newer", (await OldAsync()).Exits(ExitCodes.Failed).Error);
        Assert.Empty(_machine.Calls);
    }

    [Fact]
    public async Task Two_swaps_of_a_machine_are_told_apart()
    {
        (await RunAsync()).Exits(ExitCodes.Ok);
        var second = Names.Unique("swap");
        (await CliRun.RunAsync(_machine.Machine, Line("--export", second))).Exits(ExitCodes.Ok);
        Assert.Contains("which of them?", (await OffAsync()).Exits(ExitCodes.Usage).Error);
        (await OffAsync("--export", second)).Exits(ExitCodes.Ok);
        (await OffAsync()).Exits(ExitCodes.Ok);
        Assert.True(_machine.IsAsBefore);
    }

    private Task<CliRun> OldAsync()
    {
        _machine.Write("help", FakeMachine.OneConnection);
        return CliRun.RunAsync(_machine.Machine, Line("--export", Names.Unique("swap"), "--connections", "2"));
    }

    private Task<CliRun> OffAsync(params string[] more) => CliRun.RunAsync(_machine.Machine, ["swap", "off", .. more, "--connect", Shared.Node.ConnectionString()]);

    private Task<CliRun> RunAsync(params string[] more) => CliRun.RunAsync(_machine.Machine, Line(more));

    /// <summary>A command line that would do; what is given more replaces what is there.</summary>
    private string[] Line(params string[] more)
    {
        string[] usual = ["--export", _name, "--server", $"127.0.0.1:{Shared.Port}", "--size", "8MiB"];
        var words = new List<string> { "swap", "on" };
        for (var i = 0; i < usual.Length; i += 2)
            if (!more.Contains(usual[i])) words.AddRange(usual[i], usual[i + 1]);
        return [.. words, "--allow-same-host", .. more, "--connect", Shared.Node.ConnectionString()];
    }

    private async Task AssertUntouchedAsync()
    {
        Assert.DoesNotContain(_machine.Calls, call => call != "modprobe nbd");
        Assert.DoesNotContain(await Exports.ListAsync(), export => export.Name == _name);
    }
}
