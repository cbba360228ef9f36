using System.CommandLine;
using System.Globalization;
using Grid.Cli.Local;
using Grid.Cli.Swap;
using Grid.Client;
using Grid.Protocol;

namespace Grid.Cli.Commands;

/// <summary><c>grid swap …</c>: has this machine swap to the Grid.</summary>
internal static class SwapCommands
{
    /// <summary>What help shows below.</summary>
    public const string Examples = """
        Examples:
          grid swap on --export web1 --size 8GiB --connect grid://10.0.0.5:7070
          grid swap status --export web1
          grid swap off --export web1
        """;

    private const string OnExamples = """
        Examples:
          grid swap on --export web1 --connect grid://10.0.0.5:7070
          grid swap on --export web1 --size 16GiB --priority 10 --server grid.internal:10809

        Needs root, nbd-client and the kernel's module nbd. Not for a machine that runs a node: docs/nbd.md#swap.
        """;

    /// <summary>The command and what stands under it.</summary>
    /// <param name="global">The global options.</param>
    /// <param name="examples">Where the examples of the commands under it go.</param>
    /// <param name="machine">The machine whose swap it is.</param>
    public static Command Create(GlobalOptions global, Dictionary<Command, string> examples, HostMachine machine)
    {
        var on = On(global, machine);
        examples[on] = OnExamples;
        var off = Off(global, machine);
        var status = Status(global, machine);
        examples[off] = examples[status] = Examples;
        return new Command("swap", "Has this machine swap to a block device of the Grid, with one command.") { on, off, status };
    }

    private static Command On(GlobalOptions global, HostMachine machine)
    {
        var export = Export("The block device; made where there is none.");
        export.Required = true;
        var size = new Option<string?>("--size") { Description = "Bytes of a new block device (default: as much as this machine has memory, 8GiB at most).", HelpName = "SIZE" };
        var compression = new Option<string>("--compression") { Description = "How pages of a new block device lie in memory: none, lz4 or zstd.", HelpName = "KIND", DefaultValueFactory = _ => "lz4" };
        compression.AcceptOnlyFromAmong("none", "lz4", "zstd");
        var priority = new Option<int>("--priority") { Description = "0 to 32767: the kernel swaps to the area with the highest first.", HelpName = "N", DefaultValueFactory = _ => 5 };
        priority.Validators.Add(CommonArguments.Between(0, 32767));
        var device = Device("The device to attach it as (default: the first that is free).");
        var server = new Option<string?>("--server") { Description = "Who serves it, HOST[:PORT]: best an address that leads to several nodes (default: a host of --connect, port 10809).", HelpName = "HOST" };
        var connections = new Option<int>("--connections") { Description = "Connections to open, 1 to 16 (default: 4).", HelpName = "N" };
        connections.Validators.Add(CommonArguments.Between(1, 16));
        var timeout = new Option<string>("--device-timeout") { Description = "How long the kernel waits for an answer before it gives a connection up: longer than grid.nbd.request-timeout, 30s at least.", HelpName = "TIME", DefaultValueFactory = _ => "120s" };
        var sameHost = new Option<bool>("--allow-same-host") { Description = "Go ahead although a node runs on this machine: it stands still for good when memory runs out." };
        var force = new Option<bool>("--force") { Description = "Overwrite what the block device holds, and take it from a machine that has swapped to it." };
        var command = new SelfStoppingCommand("on", "Makes the block device where there is none, attaches it and swaps to it. A step that fails undoes those before it.") { export, size, compression, priority, device, server, connections, timeout, sameHost, force };
        global.SetAction(command, async (parse, session) =>
        {
            var options = new SwapOptions
            {
                Export = parse.GetValue(export)!,
                SizeBytes = parse.GetValue(size) is { } text ? SizeText.TryParseBytes(text, out var bytes) && bytes > 0 ? bytes : throw CliException.Usage($"--size {text}: a size such as 8GiB is expected") : null,
                Compression = Enum.Parse<PageCompression>(parse.GetValue(compression)!, ignoreCase: true),
                Priority = parse.GetValue(priority),
                Device = parse.GetValue(device),
                Server = parse.GetValue(server),
                Connections = parse.GetValue(connections),
                DeviceTimeout = SizeText.TryParseDuration(parse.GetValue(timeout)!, out var duration) && duration >= TimeSpan.FromSeconds(30)
                    ? duration
                    : throw CliException.Usage($"--device-timeout {parse.GetValue(timeout)}: a time such as 120s is expected, 30s at least"),
                AllowSameHost = parse.GetValue(sameHost),
                Force = parse.GetValue(force),
            };
            if (options.Server is not null) SwapOn.ParseServer(options.Server);
            // A step that Ctrl-C interrupts is undone like one that failed, however long that takes.
            using var interrupts = new Interrupts();
            var record = await new SwapOn(session with { Cancellation = interrupts.Stop }, machine).RunAsync(options);
            var area = SwapArea.Of(machine, record.Device);
            session.Output.Result(new OnJson(record.Export, record.Pool, record.Device, record.Server, record.Connections, area?.SizeBytes, area?.Priority), string.Create(CultureInfo.InvariantCulture,
                $"swapping to {record.Device}: {SizeText.Format(area?.SizeBytes ?? 0)} of block device '{record.Export}' from {record.Server} over {record.Connections} connections, priority {area?.Priority}"));
            if (await SwapWarnings.OfAsync(session, record) is { } warning) await session.Output.Error.WriteLineAsync($"! {warning}");
            return ExitCodes.Ok;
        });
        return command;
    }

    private static Command Off(GlobalOptions global, HostMachine machine)
    {
        var export = Export("The block device (default: the one that this machine swaps to).");
        var remove = new Option<bool>("--remove") { Description = "Remove the block device as well, with its pool: that frees what lies in the Grid." };
        var command = new SelfStoppingCommand("off", "Brings back what is swapped out, and detaches the block device.") { export, remove };
        global.SetAction(command, async (parse, session) =>
        {
            var record = Recorded(machine, parse.GetValue(export));
            using var interrupts = new Interrupts();
            await new SwapOff(session with { Cancellation = interrupts.Stop }, machine).RunAsync(record, parse.GetValue(remove));
            session.Output.Result(new { record.Export, record.Device, removed = parse.GetValue(remove) }, parse.GetValue(remove)
                ? $"{record.Device} is no swap any more and detached; block device '{record.Export}' removed, pool '{record.Pool}' destroyed"
                : $"{record.Device} is no swap any more and detached; block device '{record.Export}' stays (grid nbd remove {record.Export} --with-data)");
            return ExitCodes.Ok;
        });
        return command;
    }

    private static Command Status(GlobalOptions global, HostMachine machine)
    {
        var export = Export("One block device, of this machine or not (default: all that this machine swaps to).");
        var command = new Command("status", "Shows how much is swapped out, and the figures that zram and frontswap would show.") { export };
        global.SetAction(command, async (parse, session) =>
        {
            var named = parse.GetValue(export);
            var names = named is null ? SwapRecord.All(machine).Select(record => record.Export).ToArray() : [named];
            if (names.Length == 0)
            {
                if (session.Output.Json) session.Output.WriteJson(Array.Empty<SwapStatus>());
                else await session.Output.Error.WriteLineAsync("this machine does not swap to the Grid (grid swap on --export NAME; status --export NAME shows another machine's)");
                return ExitCodes.Ok;
            }

            await using var client = await session.ConnectAsync();
            var all = await new NbdExports(client).ListAsync(session.Cancellation);
            var statuses = new List<SwapStatus>();
            foreach (var name in names)
            {
                var found = all.FirstOrDefault(other => other.Name == name) ?? throw CliException.Failed($"there is no block device '{name}' (grid nbd list)");
                statuses.Add(SwapStatus.Of(found, await client.StatPoolAsync(found.Pool, session.Cancellation), machine));
            }

            if (session.Output.Json) session.Output.WriteJson(statuses);
            else SwapStatusView.Write(session.Output, statuses);
            return ExitCodes.Ok;
        });
        return command;
    }

    private static SwapRecord Recorded(HostMachine machine, string? export)
    {
        var records = SwapRecord.All(machine);
        if (export is not null) return records.FirstOrDefault(record => record.Export == export) ?? throw CliException.Failed($"this machine does not swap to block device '{export}' (grid swap status)");
        return records.Count switch
        {
            1 => records[0],
            0 => throw CliException.Failed("this machine does not swap to the Grid"),
            _ => throw CliException.Usage($"--export: this machine swaps to {string.Join(", ", records.Select(record => record.Export))}; which of them?"),
        };
    }

    private static Option<string?> Export(string description)
    {
        var option = new Option<string?>("--export", "-e") { Description = description, HelpName = "NAME" };
        option.Validators.Add(result =>
        {
            if (result.Tokens.Count > 0 && PoolOptions.ValidateName(result.Tokens[0].Value) is { } wrong) result.AddError(wrong);
        });
        return option;
    }

    private static Option<string?> Device(string description)
    {
        var option = new Option<string?>("--device") { Description = description, HelpName = "/dev/nbdN" };
        option.Validators.Add(result =>
        {
            if (result.Tokens.Count > 0 && !NbdDevices.IsName(result.Tokens[0].Value)) result.AddError($"--device {result.Tokens[0].Value}: /dev/nbd0, /dev/nbd1 … is expected");
        });
        return option;
    }

    private sealed record OnJson(string Export, string Pool, string Device, string Server, int Connections, long? SizeBytes, int? Priority);
}
