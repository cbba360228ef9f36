using System.Net;
using System.Net.NetworkInformation;
using System.Net.Sockets;
using Grid.Protocol;

namespace Grid.Cli.Swap;

/// <summary>What must be there before anything is changed. Each refusal says what is missing and what to do.</summary>
/// <param name="machine">The machine.</param>
internal sealed class SwapRequirements(HostMachine machine)
{
    private static readonly (string Program, string Package)[] Programs =
    [
        (NbdClientProgram.Name, "apt-get install nbd-client (on Fedora: dnf install nbd)"),
        ("mkswap", "apt-get install util-linux"),
        ("swapon", "apt-get install mount (on other systems: util-linux)"),
        ("swapoff", "apt-get install mount (on other systems: util-linux)"),
    ];

    private static readonly string[] ContainerMarks = ["/.dockerenv", "/run/.containerenv", "/run/systemd/container"];

    /// <summary>Whoever changes swap must be root, on a machine of its own and with the programs for it.</summary>
    /// <exception cref="CliException">Something is missing.</exception>
    public void RequireMachine()
    {
        if (!OperatingSystem.IsLinux()) throw CliException.Failed("swapping to the Grid needs Linux: its kernel attaches the device");
        if (ContainerMarks.FirstOrDefault(mark => File.Exists(machine.At(mark))) is { } mark)
            throw CliException.Failed($"this is a container ({mark}): swap belongs to the machine's kernel and to all its containers. Run this on the machine itself, outside of containers");
        if (!machine.IsRoot) throw CliException.Failed("only root may attach devices and change swap: run this with sudo");
        foreach (var (program, package) in Programs)
            if (machine.Find(program) is null) throw CliException.Failed($"{program} is not installed: {package}");
    }

    /// <summary>The kernel must have NBD; its module is loaded where it is not yet.</summary>
    /// <exception cref="CliException">It has none.</exception>
    public async Task RequireKernelAsync(CancellationToken cancellation)
    {
        var devices = new NbdDevices(machine);
        if (devices.Any) return;
        const string Hint = "a kernel with CONFIG_BLK_DEV_NBD is needed; some distributions have its module in a package of its own (Ubuntu's cloud kernels: linux-modules-extra-$(uname -r))";
        if (machine.Find("modprobe") is null) throw CliException.Failed($"there is no /dev/nbd0, and no modprobe to load the kernel's module nbd with: {Hint}");
        var run = await machine.RunAsync("modprobe", ["nbd"], cancellation);
        if (run.Code != 0) throw CliException.Failed($"this kernel has no NBD (modprobe nbd: {run.Text}): {Hint}");
        if (!devices.Any) throw CliException.Failed("the kernel's module nbd is loaded, but there is no /dev/nbd0: is it loaded with nbds_max=0, or /dev not the kernel's own?");
    }

    /// <summary>The device to attach: the one that was named, if it is free, else the first that is.</summary>
    /// <exception cref="CliException">It is used, or all are.</exception>
    public string RequireDevice(string? named)
    {
        var devices = new NbdDevices(machine);
        if (named is null) return devices.FirstFree() ?? throw CliException.Failed("every /dev/nbd device is attached: detach one (nbd-client -d /dev/nbdN), or load the module with more (modprobe -r nbd; modprobe nbd nbds_max=64)");
        if (!devices.Exists(named)) throw CliException.Failed($"there is no {named} (ls /dev/nbd*)");
        return devices.IsAttached(named) ? throw CliException.Failed($"{named} is attached already: name another with --device, or leave --device out") : named;
    }

    /// <summary>No node of the Grid may run on the machine that swaps to it.</summary>
    /// <param name="server">Who serves the device.</param>
    /// <param name="topology">The nodes.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <exception cref="CliException">One does.</exception>
    public async Task RequireOtherHostAsync(string server, Topology topology, CancellationToken cancellation)
    {
        const string Why = "To free memory the kernel would need the node, and the node memory: both wait for ever. Swap to nodes of other machines; --allow-same-host goes ahead all the same, for trying";
        if (await IsThisMachineAsync(server, cancellation)) throw CliException.Failed($"{server}, which serves the device, is an address of this machine. {Why}");
        foreach (var node in topology.Nodes)
        {
            var host = HostOf(node.DataAddress);
            if (await IsThisMachineAsync(host, cancellation)) throw CliException.Failed($"{node.Name} ({node.DataAddress}) runs on this machine. {Why}");
        }

        if (NodeProcess() is { } pid) throw CliException.Failed($"a Grid node runs on this machine (process {pid}). {Why}");
    }

    /// <summary>A host without its port.</summary>
    public static string HostOf(string address) => address.LastIndexOf(':') is > 0 and var colon ? address[..colon].Trim('[', ']') : address;

    private static async Task<bool> IsThisMachineAsync(string host, CancellationToken cancellation)
    {
        IPAddress[] addresses;
        try
        {
            addresses = IPAddress.TryParse(host, out var address) ? [address] : await Dns.GetHostAddressesAsync(host, cancellation);
        }
        catch (SocketException)
        {
            // A name that means nothing here is no address of this machine.
            return false;
        }

        var own = NetworkInterface.GetAllNetworkInterfaces().SelectMany(link => link.GetIPProperties().UnicastAddresses).Select(unicast => unicast.Address).ToHashSet();
        return addresses.Any(candidate => IPAddress.IsLoopback(candidate) || own.Contains(candidate));
    }

    /// <summary>A node in a container of this machine has an address of its own, but is a process here.</summary>
    private string? NodeProcess()
    {
        if (!Directory.Exists(machine.At("/proc"))) return null;
        foreach (var folder in Directory.EnumerateDirectories(machine.At("/proc")))
        {
            var pid = Path.GetFileName(folder);
            if (!pid.All(char.IsAsciiDigit)) continue;
            var words = (machine.Read($"/proc/{pid}/cmdline") ?? "").Split('\0');
            if (words.Take(4).Any(word => Path.GetFileName(word) is "Grid.Node" or "Grid.Node.dll")) return pid;
        }

        return null;
    }
}
