using System.Diagnostics;
using System.Globalization;
using System.Net.Sockets;
using Grid.Client;
using Grid.Protocol;

namespace Grid.Cli.Swap;

/// <summary>How a machine is to swap to an export.</summary>
internal sealed record SwapOptions
{
    /// <summary>The port that nodes serve exports on.</summary>
    public const int DefaultPort = 10809;

    /// <summary>The export's name.</summary>
    public required string Export { get; init; }

    /// <summary>Bytes of an export that is made; null: as the machine has memory.</summary>
    public long? SizeBytes { get; init; }

    /// <summary>How pages of an export that is made lie in memory.</summary>
    public PageCompression Compression { get; init; } = PageCompression.Lz4;

    /// <summary>The kernel takes the area with the highest first.</summary>
    public int Priority { get; init; }

    /// <summary>The device; null: the first that is free.</summary>
    public string? Device { get; init; }

    /// <summary>Who serves it, with a port or without; null: the Grid's address.</summary>
    public string? Server { get; init; }

    /// <summary>Over how many connections.</summary>
    public int Connections { get; init; }

    /// <summary>How long the kernel waits for an answer.</summary>
    public TimeSpan DeviceTimeout { get; init; }

    /// <summary>Whether a node may run on this machine.</summary>
    public bool AllowSameHost { get; init; }

    /// <summary>Whether what is there may be overwritten, and taken from another machine.</summary>
    public bool Force { get; init; }
}

/// <summary>Has this machine swap to an export; what was done is undone when a later step fails.</summary>
/// <param name="session">The run of the command.</param>
/// <param name="machine">The machine.</param>
internal sealed class SwapOn(CliSession session, HostMachine machine)
{
    private static readonly TimeSpan ConnectPatience = TimeSpan.FromSeconds(3);
    private static readonly TimeSpan AttachPatience = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan LookAgainAfter = TimeSpan.FromMilliseconds(20);
    private readonly Stack<(string What, Func<Task> Undo)> _done = new();
    private bool _netlink = true;

    /// <summary>Does it.</summary>
    /// <returns>What was done.</returns>
    /// <exception cref="CliException">It cannot be; nothing is left half done.</exception>
    public async Task<SwapRecord> RunAsync(SwapOptions options)
    {
        var cancellation = session.Cancellation;
        var requirements = new SwapRequirements(machine);
        requirements.RequireMachine();
        if (SwapRecord.Of(machine, options.Export) is { } old && (SwapArea.Of(machine, old.Device) is not null || new NbdDevices(machine).IsAttached(old.Device)))
            throw CliException.Failed($"this machine has '{options.Export}' attached already, as {old.Device} (grid swap status; grid swap off ends it)");
        await requirements.RequireKernelAsync(cancellation);
        var device = requirements.RequireDevice(options.Device);
        var program = await NbdClientProgram.AskAsync(machine, cancellation);
        await using var client = await session.ConnectAsync();
        var topology = await client.GetTopologyAsync(cancellation);
        var (host, port) = await ServerAsync(options.Server, cancellation);
        if (!options.AllowSameHost) await requirements.RequireOtherHostAsync(host, topology, cancellation);
        try
        {
            return await ChangeAsync(client, program, new NbdAttachment(options.Export, host, port, device, options.Connections > 0 ? options.Connections : program.HasConnections ? 4 : 1, options.DeviceTimeout), options);
        }
        catch (Exception e)
        {
            var left = await UndoAsync();
            if (left.Count == 0 || CliErrors.Describe(e) is not var (code, message)) throw;
            throw new CliException(code, $"{message}; and what had been done could not all be undone: {string.Join("; ", left)}");
        }
    }

    private async Task<SwapRecord> ChangeAsync(GridClient client, NbdClientProgram program, NbdAttachment attachment, SwapOptions options)
    {
        var cancellation = session.Cancellation;
        var device = attachment.Device;
        var export = await SwapExport.EnsureAsync(client, options.Export, options.SizeBytes, options.Compression, machine, cancellation);
        _done.Push(($"block device '{options.Export}'", export.UnmakeAsync));
        if (!options.Force) await export.RequireSwapOrEmptyAsync(cancellation);
        await export.ClaimAsync(machine, options.Force, cancellation);
        _done.Push(($"the mark in pool '{export.Export.Pool}'", () => SwapExport.ReleaseAsync(client, export.Export.Pool, CancellationToken.None)));
        // A client that fails may have attached all the same.
        _done.Push(($"{device} attached", () => DetachIfAttachedAsync(program, device)));
        _netlink = await program.AttachAsync(attachment, cancellation);
        await WaitForSizeAsync(device, export.Export.SizeBytes, cancellation);
        (await machine.RunAsync("mkswap", [device], cancellation)).Succeeds();
        _done.Push(($"{device} as swap", () => SwapOffIfOnAsync(device)));
        (await machine.RunAsync("swapon", ["-d", "-p", $"{options.Priority}", device], cancellation)).Succeeds();
        var record = new SwapRecord(options.Export, export.Export.Pool, device, attachment.Server, attachment.Connections, _netlink);
        record.Save(machine);
        return record;
    }

    /// <summary>Undoes what was done, the last first. What could not be undone is told.</summary>
    private async Task<List<string>> UndoAsync()
    {
        var left = new List<string>();
        while (_done.TryPop(out var step))
        {
            try
            {
                await step.Undo();
            }
            catch (Exception e) when (CliErrors.Describe(e) is var (_, message))
            {
                left.Add($"{step.What} ({message})");
            }
        }

        return left;
    }

    private async Task DetachIfAttachedAsync(NbdClientProgram program, string device)
    {
        if (new NbdDevices(machine).IsAttached(device)) await program.DetachAsync(device, _netlink, CancellationToken.None);
    }

    private async Task SwapOffIfOnAsync(string device)
    {
        if (SwapArea.Of(machine, device) is not null) (await machine.RunAsync("swapoff", [device], CancellationToken.None)).Succeeds();
    }

    /// <summary>The kernel tells the size a moment after it was given the connections.</summary>
    private async Task WaitForSizeAsync(string device, long sizeBytes, CancellationToken cancellation)
    {
        var devices = new NbdDevices(machine);
        var clock = Stopwatch.StartNew();
        while (devices.SizeBytes(device) != sizeBytes)
        {
            if (clock.Elapsed > AttachPatience)
                throw CliException.Failed($"{device} has {SizeText.Format(devices.SizeBytes(device))} after it was attached, {SizeText.Format(sizeBytes)} were expected (dmesg says more)");
            await Task.Delay(LookAgainAfter, cancellation);
        }
    }

    /// <summary>Who serves the device: whoever was named, else the first of the Grid's addresses that answers on the port of exports.</summary>
    private async Task<(string Host, int Port)> ServerAsync(string? named, CancellationToken cancellation)
    {
        var candidates = named is null
            ? session.Options.Addresses.Select(address => (Host: SwapRequirements.HostOf(address), Port: SwapOptions.DefaultPort)).ToArray()
            : [ParseServer(named)];
        foreach (var candidate in candidates)
            if (await AnswersAsync(candidate.Host, candidate.Port, cancellation)) return candidate;
        throw new CliException(ExitCodes.CannotConnect, string.Create(CultureInfo.InvariantCulture,
            $"cannot connect to {string.Join(", ", candidates.Select(candidate => $"{candidate.Host}:{candidate.Port}"))}: no node serves block devices there (grid.nbd.enabled = on and grid.nbd.host, docs/nbd.md; --server names another address)"));
    }

    /// <summary>Reads HOST, HOST:PORT or [HOST]:PORT.</summary>
    /// <exception cref="CliException">It is none.</exception>
    public static (string Host, int Port) ParseServer(string text)
    {
        var port = text.LastIndexOf(':') is > 0 and var colon && (text[colon - 1] == ']' || text.IndexOf(':') == colon) ? text[(colon + 1)..] : null;
        var host = (port is null ? text : text[..^(port.Length + 1)]).Trim('[', ']');
        var number = SwapOptions.DefaultPort;
        if (Uri.CheckHostName(host) == UriHostNameType.Unknown || (port is not null && (!int.TryParse(port, NumberStyles.None, CultureInfo.InvariantCulture, out number) || number is < 1 or > 65535)))
            throw CliException.Usage($"--server {text}: HOST or HOST:PORT is expected");
        return (host, number);
    }

    private static async Task<bool> AnswersAsync(string host, int port, CancellationToken cancellation)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        patience.CancelAfter(ConnectPatience);
        using var tcp = new TcpClient();
        try
        {
            await tcp.ConnectAsync(host, port, patience.Token);
            return true;
        }
        catch (Exception e) when (e is SocketException || (e is OperationCanceledException && !cancellation.IsCancellationRequested))
        {
            return false;
        }
    }
}
