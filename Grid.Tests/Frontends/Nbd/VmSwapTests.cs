using System.Diagnostics;
using System.Globalization;
using Grid.Cli.Swap;
using Grid.Client;
using Grid.Protocol;
using Grid.Tests.Harness;
using Xunit;
using Xunit.Abstractions;

namespace Grid.Tests.Frontends.Nbd;

/// <summary>A Linux machine that swaps to three nodes and goes on while two of them are killed, one after the other: a virtual one, with twice its memory in use.</summary>
[Collection(SeveralNodes.Name)]
[Trait("Takes", "minutes")]
public sealed class VmSwapTests(PostgresServer server, ITestOutputHelper output) : IClassFixture<PostgresServer>
{
    private const string Export = "swap";
    private const string AsDisk = "as a disk of QEMU's";
    private const string ByItself = "by its own kernel's client";
    private const int Port = 10809;

    private static readonly TimeSpan BootDeadline = TimeSpan.FromSeconds(120);
    private static readonly TimeSpan PassDeadline = TimeSpan.FromSeconds(240);

    [Theory]
    [InlineData(AsDisk)]
    [InlineData(ByItself)]
    public Task A_machine_swaps_on_while_nodes_are_killed_and_every_byte_is_right(string way) => way == AsDisk ? SwapsOnAsync("/dev/vda", port =>
    (
        "",
        [
            // The address stays, and leads to a node that lives.
            "-blockdev", $"driver=nbd,node-name=swap,server.type=inet,server.host=127.0.0.1,server.port={port},export={Export},reconnect-delay=60,discard=unmap",
            "-device", "virtio-blk-pci,drive=swap",
        ])) : SwapsOnAsync("/dev/nbd0", port =>
    (
        $"""
        $B ifconfig lo 127.0.0.1 up; $B ifconfig eth0 10.0.2.15 netmask 255.255.255.0 up
        /nbd-client {string.Join(' ', AttachArguments(port))} || fail attach
        """,
        ["-netdev", "user,id=net", "-device", "virtio-net-pci,netdev=net,romfile="]));

    /// <summary>What grid swap on has nbd-client do; 10.0.2.2 is what QEMU's guests call the machine they run on.</summary>
    private static List<string> AttachArguments(int port) =>
        new NbdClientProgram(HostMachine.This, new Version(3, 24), hasNetlink: true).Arguments(new NbdAttachment(Export, "10.0.2.2", port, "/dev/nbd0", Connections: 6, TimeSpan.FromSeconds(120)), netlink: true);

    private async Task SwapsOnAsync(string device, Func<int, (string Attach, string[] Qemu)> how)
    {
        var clock = Stopwatch.StartNew();
        await using var cluster = await ClusterOfNodes.StartAsync(server, 3, output, setup => setup.With("grid.nbd.enabled", "on").With("grid.nbd.host", setup.Host).With("grid.nbd.port", $"{Port}"));
        await using var client = await cluster.ConnectAsync();
        await new NbdExports(client).CreateAsync(Export, 1L << 30, Export, new PoolOptions { Compression = PageCompression.Lz4 });
        await using var relay = new TcpRelay(cluster.Nodes, Port);
        var (attach, qemu) = how(relay.Port);
        Say(clock, "the nodes serve");
        await using var guest = await VmGuest.BootAsync(output, $"""
            echo 16384 > /proc/sys/vm/min_free_kbytes
            {attach}
            echo "BOOTED in $($B cut -d' ' -f1 /proc/uptime) s"
            $B mkswap {device} > /dev/null && $B swapon -d {device} || fail swapon
            /swap-guest {2 * VmGuest.MemoryMiB} || fail swap-guest
            echo "COUNTED" $($B grep -E '^pswp' /proc/vmstat)
            $B swapoff {device} || fail swapoff
            echo DONE
            """, qemu);
        await guest.SaysAsync("BOOTED", BootDeadline);
        await guest.SaysAsync("FILLED", PassDeadline);
        var before = relay.Count;

        var most = await OfMostObjectsAsync(cluster);
        Say(clock, $"{most.Host} serves most objects and is killed");
        await most.Kill9Async();
        await cluster.AllSeeAsync(2);
        Say(clock, "it is removed");
        await guest.SaysAsync("PASS 1 ", PassDeadline);
        await most.RestartAsync();
        await cluster.AllSeeAsync(3);

        var attached = relay.Active!;
        Say(clock, $"{attached.Host}, where the guest is attached, is killed; the first one serves again");
        await attached.Kill9Async();
        await cluster.AllSeeAsync(2);
        Say(clock, "it is removed");
        await guest.TellAsync("end");
        await guest.SaysAsync("EVERY BYTE RIGHT", 2 * PassDeadline);
        var counted = await guest.SaysAsync("COUNTED", TimeSpan.FromSeconds(20));
        await guest.SaysAsync("DONE", PassDeadline);
        await guest.EndsAsync(TimeSpan.FromSeconds(20));
        Say(clock, "the guest has ended");
        guest.AssertWell();
        // It has swapped more than its memory, both ways.
        var pages = counted.Split(' ').Where(word => word.All(char.IsAsciiDigit)).Select(word => long.Parse(word, CultureInfo.InvariantCulture)).ToArray();
        Assert.Equal(2, pages.Length);
        Assert.All(pages, count => Assert.InRange(count, VmGuest.MemoryMiB * 256L, long.MaxValue));
        if (device == "/dev/vda") Assert.InRange(relay.Count, before + 1, int.MaxValue);
    }

    private static async Task<NodeProcess> OfMostObjectsAsync(ClusterOfNodes cluster)
    {
        var objects = await Task.WhenAll(cluster.Nodes.Select(node => node.MetricAsync("grid_objects")));
        return cluster.Nodes.Zip(objects, (node, count) => (node, count)).MaxBy(pair => pair.count ?? 0).node;
    }

    private void Say(Stopwatch clock, string what) => output.WriteLine($"{clock.Elapsed.TotalSeconds:0.0} s: {what}");
}
