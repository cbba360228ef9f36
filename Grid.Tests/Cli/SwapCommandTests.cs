using Grid.Cli;
using Grid.Client;
using Grid.Protocol;
using Grid.Tests.Frontends.Nbd;
using Grid.Tests.Harness;
using Xunit;
using Xunit.Abstractions;

namespace Grid.Tests.Cli;

/// <summary>Swap at the shell: a real node, and a machine whose programs are scripts.</summary>
public sealed class SwapCommandTests(NbdNode shared, ITestOutputHelper output) : NbdTest(shared, output), IDisposable
{
    private readonly FakeMachine _machine = new();
    private readonly string _name = Names.Unique("swap");

    public void Dispose() => _machine.Dispose();

    [Fact]
    public async Task One_command_makes_the_export_attaches_it_and_swaps_to_it_and_one_ends_it()
    {
        var on = (await OnAsync("--size", "8MiB", "--priority", "7")).Exits(ExitCodes.Ok);
        Assert.Contains($"swapping to /dev/nbd0: 8.0 MiB of block device '{_name}'", on.Output);
        Assert.Equal(
        [
            $"nbd-client -N {_name} 127.0.0.1 {Shared.Port} /dev/nbd0 -timeout 120 -connections 4",
            "mkswap /dev/nbd0",
            "swapon -d -p 7 /dev/nbd0",
        ], _machine.Calls);
        var export = Assert.Single(await Exports.ListAsync(), export => export.Name == _name);
        Assert.Equal((FakeMachine.SizeBytes, PageCompression.Lz4), (export.SizeBytes, (await Shared.Client.StatPoolAsync(export.Pool)).Pool.Options.Compression));
        Assert.Contains("already", (await OnAsync()).Exits(ExitCodes.Failed).Error);

        var off = (await RunAsync("swap", "off", "--remove", "--json")).Exits(ExitCodes.Ok).Json();
        Assert.Equal((_name, "/dev/nbd0", true), (off.GetProperty("export").GetString(), off.GetProperty("device").GetString(), off.GetProperty("removed").GetBoolean()));
        Assert.Equal(["swapoff /dev/nbd0", "nbd-client -d /dev/nbd0"], _machine.Calls[3..]);
        Assert.True(_machine.IsAsBefore);
        Assert.DoesNotContain(await Exports.ListAsync(), other => other.Name == _name);
        await Assert.ThrowsAsync<NoSuchPoolException>(async () => await Shared.Client.OpenPoolAsync(export.Pool));
        (await RunAsync("swap", "off")).Exits(ExitCodes.Failed);
    }

    [Theory]
    [InlineData(FakeMachine.Netlink, "-timeout 120 -connections 4", "-d /dev/nbd0")]
    [InlineData(FakeMachine.WithoutNetlink, "-timeout 120 -connections 4 -swap -persist", "-d /dev/nbd0")]
    [InlineData(FakeMachine.OneConnection, "-timeout 120 -swap -persist", "-d /dev/nbd0")]
    public async Task Nbd_client_is_given_the_options_that_its_version_has(string help, string attach, string detach)
    {
        _machine.Write("help", help);
        (await OnAsync("--size", "8MiB")).Exits(ExitCodes.Ok);
        Assert.Equal($"nbd-client -N {_name} 127.0.0.1 {Shared.Port} /dev/nbd0 {attach}", _machine.Calls[0]);
        (await RunAsync("swap", "off", "--export", _name)).Exits(ExitCodes.Ok);
        Assert.Equal($"nbd-client {detach}", _machine.Calls[^1]);
    }

    [Fact]
    public async Task A_kernel_without_netlink_is_attached_to_the_old_way_and_detached_so()
    {
        _machine.Fails("nbd-client", "Error: Couldn't resolve the nbd netlink family, make sure the nbd module is loaded");
        (await OnAsync("--size", "8MiB")).Exits(ExitCodes.Ok);
        Assert.EndsWith("-connections 4 -nonetlink -swap -persist", _machine.Calls[1]);
        (await RunAsync("swap", "off")).Exits(ExitCodes.Ok);
        Assert.Equal("nbd-client -nonetlink -d /dev/nbd0", _machine.Calls[^1]);
    }

    [Fact]
    public async Task An_nbd_client_whose_help_has_no_version_is_asked_for_it()
    {
        _machine.Write("help", "ERROR: \n\nUsage: nbd-client -name|-N name host [port] nbd_device\n\t[-i ident|-nonetlink|-L]\n");
        _machine.Write("version", "This is nbd-client, from nbd 3.27.1\n");
        (await OnAsync("--size", "8MiB")).Exits(ExitCodes.Ok);
        Assert.EndsWith("/dev/nbd0 -timeout 120 -connections 4", _machine.Calls[0]);
    }

    [Theory]
    [InlineData("nbd-client version 2.9\n", "too old")]
    [InlineData("what?\n", "does not say which version")]
    public async Task An_nbd_client_that_cannot_serve_is_refused(string help, string said)
    {
        _machine.Write("help", help);
        Assert.Contains(said, (await OnAsync("--size", "8MiB")).Exits(ExitCodes.Failed).Error);
        await AssertNothingIsDoneAsync();
    }

    [Theory]
    [InlineData("nbd-client", "Error: Socket failed: Connection refused")]
    [InlineData("nbd-client-late", "killed")]
    [InlineData("mkswap", "mkswap: cannot open /dev/nbd0")]
    [InlineData("swapon", "swapon: /dev/nbd0: swapon failed: Operation not permitted")]
    public async Task A_step_that_fails_undoes_those_before_it(string program, string words)
    {
        _machine.Fails(program, words);
        Assert.Contains(words, (await OnAsync("--size", "8MiB")).Exits(ExitCodes.Failed).Error);
        await AssertNothingIsDoneAsync();
        Assert.Equal(program != "nbd-client", _machine.Calls.Contains("nbd-client -d /dev/nbd0"));
        (await OnAsync("--size", "8MiB")).Exits(ExitCodes.Ok);
    }

    [Fact]
    public async Task An_attached_device_of_another_size_is_detached_again()
    {
        _machine.Write("sectors", "8\n");
        Assert.Contains("8 MiB were expected", (await OnAsync("--size", "8MiB")).Exits(ExitCodes.Failed).Error);
        await AssertNothingIsDoneAsync();
    }

    [Fact]
    public async Task What_cannot_be_undone_is_said()
    {
        _machine.Fails("mkswap", "no");
        _machine.Fails("nbd-client-d", "Failed to disconnect device");
        var error = (await OnAsync("--size", "8MiB")).Exits(ExitCodes.Failed).Error;
        Assert.Contains("could not all be undone: /dev/nbd0 attached", error);
        Assert.Contains("Failed to disconnect device", error);
        // The other steps are undone all the same.
        Assert.DoesNotContain(await Exports.ListAsync(), export => export.Name == _name);
    }

    [Fact]
    public async Task An_export_and_a_pool_that_were_there_survive_a_failure()
    {
        await Exports.CreateAsync(_name, FakeMachine.SizeBytes, $"nbd-{_name}");
        _machine.Fails("mkswap", "no");
        (await OnAsync()).Exits(ExitCodes.Failed);
        Assert.Contains(await Exports.ListAsync(), export => export.Name == _name);
        await Exports.RemoveAsync(_name);
        _machine.Fails("mkswap", "no");
        (await OnAsync("--size", "8MiB")).Exits(ExitCodes.Failed);
        Assert.DoesNotContain(await Exports.ListAsync(), export => export.Name == _name);
        await Shared.Client.OpenPoolAsync($"nbd-{_name}");
    }

    [Fact]
    public async Task What_is_not_swap_is_not_overwritten()
    {
        await Exports.CreateAsync(_name, FakeMachine.SizeBytes, $"nbd-{_name}");
        var pool = await Shared.Client.OpenPoolAsync($"nbd-{_name}");
        await pool.PutAsync(NbdExport.ObjectOf(0), 3, PageBytes.Random(3));
        Assert.Contains("holds something that is not swap", (await OnAsync()).Exits(ExitCodes.Failed).Error);
        Assert.Empty(_machine.Calls);
        var swap = new byte[4096];
        "SWAPSPACE2"u8.CopyTo(swap.AsSpan(4086));
        await pool.PutAsync(NbdExport.ObjectOf(0), 0, swap);
        (await OnAsync()).Exits(ExitCodes.Ok);
        (await RunAsync("swap", "off")).Exits(ExitCodes.Ok);
        await pool.FlushPageAsync(NbdExport.ObjectOf(0), 0);
        (await OnAsync("--force")).Exits(ExitCodes.Ok);
    }

    [Fact]
    public async Task Two_machines_do_not_swap_to_one_export()
    {
        (await OnAsync("--size", "8MiB")).Exits(ExitCodes.Ok);
        using var other = new FakeMachine();
        other.Becomes("another");
        Assert.Contains("machine 'test-machine' swaps to block device", (await OnAsync(other)).Exits(ExitCodes.Failed).Error);
        Assert.True(other.IsAsBefore);
        (await RunAsync("swap", "off")).Exits(ExitCodes.Ok);
        (await OnAsync(other)).Exits(ExitCodes.Ok);
        // A machine that was restarted finds its own claim.
        _machine.Becomes("another");
        (await OnAsync("--force")).Exits(ExitCodes.Ok);
    }

    [Fact]
    public async Task Off_brings_everything_back_or_changes_nothing()
    {
        (await OnAsync("--size", "8MiB")).Exits(ExitCodes.Ok);
        _machine.Fails("swapoff", "swapoff: /dev/nbd0: swapoff failed: Cannot allocate memory");
        Assert.Contains("does not fit into memory", (await RunAsync("swap", "off")).Exits(ExitCodes.Failed).Error);
        Assert.DoesNotContain("nbd-client -d /dev/nbd0", _machine.Calls);
        (await RunAsync("swap", "off")).Exits(ExitCodes.Ok);
        Assert.True(_machine.IsAsBefore);
    }

    [Fact]
    public async Task Off_needs_no_grid_to_free_the_machine()
    {
        (await OnAsync("--size", "8MiB")).Exits(ExitCodes.Ok);
        Assert.Contains("the Grid could not be told", (await CliRun.RunAsync(_machine.Machine, "swap", "off", "--connect", "grid://127.0.0.1:1", "--timeout", "1s")).Exits(ExitCodes.CannotConnect).Error);
        Assert.True(_machine.IsAsBefore);
    }

    [Fact]
    public async Task Status_shows_what_zram_and_frontswap_would_and_what_is_broken()
    {
        (await OnAsync("--size", "8MiB", "--device", "/dev/nbd1")).Exits(ExitCodes.Ok);
        await using (var peer = await NbdPeer.OpenAsync("127.0.0.1", Shared.Port, _name))
        {
            await peer.WriteAtAsync(0, PageBytes.Random(1));
            await peer.WriteAtAsync(4096, new byte[4096]);
            await peer.ReadAtAsync(0, 4096);
        }

        _machine.Write("proc/net/tcp", Tcp(4, Shared.Port));
        var status = Assert.Single((await RunAsync("swap", "status", "--json")).Exits(ExitCodes.Ok).Json().EnumerateArray());
        var mm = status.GetProperty("mm_stat");
        // The page with the mark of this machine is one of them.
        Assert.Equal(3 * 4096, mm.GetProperty("orig_data_size").GetInt64());
        Assert.InRange(mm.GetProperty("compr_data_size").GetInt64(), 4096, 2 * 4096 + 2048);
        Assert.Equal((1, 0), (mm.GetProperty("same_pages").GetInt64(), mm.GetProperty("mem_limit").GetInt64()));
        Assert.Equal(System.Text.Json.JsonValueKind.Null, mm.GetProperty("huge_pages").ValueKind);
        var counts = status.GetProperty("frontswap");
        Assert.Equal((3, 0), (counts.GetProperty("succ_stores").GetInt64(), counts.GetProperty("failed_stores").GetInt64()));
        Assert.Equal((1, 0), (counts.GetProperty("loads").GetInt64(), counts.GetProperty("invalidates").GetInt64()));
        Assert.Equal(("/dev/nbd1", 4), (status.GetProperty("here").GetProperty("device").GetString(), status.GetProperty("here").GetProperty("connectionsAlive").GetInt32()));
        var text = (await RunAsync("swap", "status")).Exits(ExitCodes.Ok).Output;
        Assert.Matches(@"here +/dev/nbd1, 4 MiB used, priority 5, 4 of 4 connections", text);
        Assert.Matches(@"mem_used_max +not counted", text);
        Assert.DoesNotContain("!", text);

        _machine.Write("proc/net/tcp", Tcp(3, Shared.Port));
        Assert.StartsWith("! 3 of 4 connections of /dev/nbd1 are left", (await RunAsync("swap", "status")).Exits(ExitCodes.Ok).Output);
        using var elsewhere = new FakeMachine();
        Assert.Contains("this machine does not swap to it", (await RunAsync(elsewhere, "swap", "status", "--export", _name)).Exits(ExitCodes.Ok).Output);
        Assert.Contains("does not swap to the Grid", (await RunAsync(elsewhere, "swap", "status")).Exits(ExitCodes.Ok).Error);
        (await RunAsync("swap", "status", "--export", Names.Unique("none"))).Exits(ExitCodes.Failed);
    }

    /// <summary>What the kernel would list: connections to 127.0.0.1, and others.</summary>
    private static string Tcp(int alive, int port) => string.Join('\n',
    [
        "  sl  local_address rem_address   st tx_queue",
        .. Enumerable.Range(0, alive).Select(i => $"   {i}: 0100007F:D00{i} 0100007F:{port:X4} 01 00000000:00000000"),
        $"   8: 0100007F:D010 0100007F:{port:X4} 06 00000000:00000000",
        $"   9: 0100007F:D011 0200007F:{port:X4} 01 00000000:00000000",
    ]);

    private Task<CliRun> OnAsync(params string[] more) => OnAsync(_machine, more);

    private Task<CliRun> OnAsync(FakeMachine machine, params string[] more) =>
        RunAsync(machine, ["swap", "on", "--export", _name, "--server", $"127.0.0.1:{Shared.Port}", "--allow-same-host", .. more]);

    private Task<CliRun> RunAsync(params string[] args) => RunAsync(_machine, args);

    private Task<CliRun> RunAsync(FakeMachine machine, params string[] args) => CliRun.RunAsync(machine.Machine, [.. args, "--connect", Shared.Node.ConnectionString()]);

    private async Task AssertNothingIsDoneAsync()
    {
        Assert.True(_machine.IsAsBefore);
        Assert.DoesNotContain(await Exports.ListAsync(), export => export.Name == _name);
        await Assert.ThrowsAsync<NoSuchPoolException>(async () => await Shared.Client.OpenPoolAsync($"nbd-{_name}"));
    }
}
