using System.Diagnostics;
using System.Globalization;
using Grid.Tests.Harness;

namespace Grid.Tests.Chaos.Bed;

/// <summary>
/// A network namespace of its own, as a container has. It has no name: it is there as long as a process is in it. The one that holds it waits for its input to end, which happens at the latest when this
/// process does; so nothing is left behind.
/// </summary>
internal sealed class NetworkNamespace : IAsyncDisposable
{
    /// <summary>A page fits into one packet.</summary>
    private const string MtuBytes = "8900";
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);
    private readonly Process _holder;

    private NetworkNamespace(Process holder) => _holder = holder;

    /// <summary>The command that runs what follows it in here; it keeps its process id.</summary>
    public IReadOnlyList<string> Enter => ["nsenter", $"--net={PathOf(_holder.Id)}", "--"];

    public static async Task<NetworkNamespace> CreateAsync()
    {
        var holder = Process.Start(new ProcessStartInfo("unshare", ["--net", "cat"]) { RedirectStandardInput = true, RedirectStandardOutput = true })
            ?? throw new InvalidOperationException("unshare did not start");
        OwnedProcesses.Add(holder.Id);
        var created = new NetworkNamespace(holder);
        try
        {
            var ours = Target(Environment.ProcessId);
            await Eventually.TrueAsync(() => holder.HasExited || Target(holder.Id) != ours, "a network namespace is made", Patience);
            if (holder.HasExited) throw new InvalidOperationException($"no network namespace can be made (unshare ended with {holder.ExitCode}): the tests that break the network run as root");
            await created.RunAsync("ip", "link", "set", "dev", "lo", "up");
            return created;
        }
        catch
        {
            await created.DisposeAsync();
            throw;
        }
    }

    /// <summary>Gives an interface of this process's namespace addresses.</summary>
    public static async Task UseAsync(Tun tun, params IEnumerable<string> addresses) => await UpAsync([], tun, addresses);

    /// <summary>Takes an interface in and gives it an address.</summary>
    public async Task AdoptAsync(Tun tun, string address)
    {
        await ExecuteAsync(["ip", "link", "set", "dev", tun.Name, "netns", _holder.Id.ToString(CultureInfo.InvariantCulture)]);
        await UpAsync(Enter, tun, [address]);
    }

    /// <summary>Runs a command in here, to its end.</summary>
    public Task RunAsync(params IEnumerable<string> command) => ExecuteAsync([.. Enter, .. command]);

    public async ValueTask DisposeAsync() => await OwnedProcesses.EndAsync(_holder);

    private static async Task UpAsync(IReadOnlyList<string> enter, Tun tun, IEnumerable<string> addresses)
    {
        foreach (var address in addresses) await ExecuteAsync([.. enter, "ip", "addr", "add", address, "dev", tun.Name]);
        await ExecuteAsync([.. enter, "ip", "link", "set", "dev", tun.Name, "mtu", MtuBytes, "txqueuelen", "4000", "up"]);
    }

    private static Task ExecuteAsync(string[] command) => PostgresTools.RunAsync(new ProcessStartInfo(command[0], command[1..]));

    private static string PathOf(int pid) => string.Create(CultureInfo.InvariantCulture, $"/proc/{pid}/ns/net");

    private static string? Target(int pid) => new FileInfo(PathOf(pid)).LinkTarget;
}
