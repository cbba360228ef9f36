using System.Globalization;
using System.Text.RegularExpressions;

namespace Grid.Cli.Swap;

/// <summary>The nbd-client that is installed: what it can do is found by asking it, and it is given the options that are right for swap.</summary>
/// <param name="machine">Where it is installed.</param>
/// <param name="version">Its version.</param>
/// <param name="hasNetlink">Whether it hands its connections to the kernel over netlink unless it is told otherwise.</param>
internal sealed partial class NbdClientProgram(HostMachine machine, Version version, bool hasNetlink)
{
    /// <summary>The program's name.</summary>
    public const string Name = "nbd-client";

    /// <summary>The first that can open several connections.</summary>
    private static readonly Version FirstWithConnections = new(3, 16);

    /// <summary>The oldest that speaks the handshake that nodes speak.</summary>
    private static readonly Version Oldest = new(3, 10);

    /// <summary>Whether it can open several connections.</summary>
    public bool HasConnections => version >= FirstWithConnections;

    /// <summary>Asks the program that is installed.</summary>
    /// <exception cref="CliException">It is too old, or says nothing of itself.</exception>
    public static async Task<NbdClientProgram> AskAsync(HostMachine machine, CancellationToken cancellation)
    {
        // Help says both; versions before 3.12 know no -V.
        var help = (await machine.RunAsync(Name, ["--help"], cancellation)).Text;
        var match = VersionText().Match(help);
        if (!match.Success) match = VersionText().Match((await machine.RunAsync(Name, ["-V"], cancellation)).Text);
        if (!match.Success) throw CliException.Failed($"{machine.Find(Name)} does not say which version it is; nbd-client {Oldest} or newer is needed");
        var version = new Version(int.Parse(match.Groups[1].ValueSpan, CultureInfo.InvariantCulture), int.Parse(match.Groups[2].ValueSpan, CultureInfo.InvariantCulture));
        if (version < Oldest) throw CliException.Failed($"nbd-client {version} is too old: {Oldest} or newer is needed");
        return new NbdClientProgram(machine, version, help.Contains("nonetlink", StringComparison.Ordinal));
    }

    /// <summary>Attaches a device.</summary>
    /// <returns>Whether the kernel holds the connections by itself (attached over netlink), or a process of nbd-client stays for it.</returns>
    /// <exception cref="CliException">It failed.</exception>
    public async Task<bool> AttachAsync(NbdAttachment attachment, CancellationToken cancellation)
    {
        if (attachment.Connections > 1 && !HasConnections) throw CliException.Failed($"nbd-client {version} opens one connection only: --connections needs {FirstWithConnections} or newer");
        var run = await machine.RunAsync(Name, Arguments(attachment, hasNetlink), cancellation);
        if (run.Code == 0) return hasNetlink;
        // A kernel before 4.12 has no netlink for it.
        if (!hasNetlink || !run.Text.Contains("netlink family", StringComparison.Ordinal)) throw run.Failure();
        (await machine.RunAsync(Name, Arguments(attachment, netlink: false), cancellation)).Succeeds();
        return false;
    }

    /// <summary>Detaches a device in the way it was attached.</summary>
    /// <exception cref="CliException">It failed.</exception>
    public async Task DetachAsync(string device, bool netlink, CancellationToken cancellation) =>
        (await machine.RunAsync(Name, netlink || !hasNetlink ? ["-d", device] : ["-nonetlink", "-d", device], cancellation)).Succeeds();

    /// <summary>
    /// Over netlink the kernel holds the connections and the program ends: there is nothing to keep in memory, and nobody to reconnect. Otherwise a process stays, which
    /// must never be swapped out (-swap) and reconnects where the kernel lets it (-persist).
    /// </summary>
    internal List<string> Arguments(NbdAttachment attachment, bool netlink)
    {
        List<string> arguments = ["-N", attachment.Export, attachment.Host, $"{attachment.Port}", attachment.Device, "-timeout", $"{attachment.Timeout.TotalSeconds:0}"];
        if (HasConnections) arguments.AddRange("-connections", $"{attachment.Connections}");
        if (netlink) return arguments;
        if (hasNetlink) arguments.Add("-nonetlink");
        arguments.AddRange("-swap", "-persist");
        return arguments;
    }

    [GeneratedRegex(@"nbd(?:-client version)? (\d+)\.(\d+)")]
    private static partial Regex VersionText();
}

/// <summary>What nbd-client attaches.</summary>
/// <param name="Export">The export's name.</param>
/// <param name="Host">Who serves it.</param>
/// <param name="Port">On which port.</param>
/// <param name="Device">As which device.</param>
/// <param name="Connections">Over how many connections.</param>
/// <param name="Timeout">How long the kernel waits for an answer before it gives up a connection.</param>
internal sealed record NbdAttachment(string Export, string Host, int Port, string Device, int Connections, TimeSpan Timeout)
{
    /// <summary>HOST:PORT.</summary>
    public string Server => Host.Contains(':', StringComparison.Ordinal) ? $"[{Host}]:{Port}" : $"{Host}:{Port}";
}
