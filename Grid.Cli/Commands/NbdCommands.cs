using System.CommandLine;
using System.Globalization;
using Grid.Client;
using Grid.Protocol;

namespace Grid.Cli.Commands;

/// <summary><c>grid nbd …</c>: the block devices that nodes serve over NBD.</summary>
internal static class NbdCommands
{
    /// <summary>What help shows below.</summary>
    public const string Examples = """
        Examples:
          grid nbd create disk --size 8GiB
          grid nbd create image --size 2GiB --pool golden --read-only
          grid nbd list
          grid nbd resize disk --size 16GiB
          grid nbd remove disk --with-data
        """;

    private static readonly string[] Columns = ["NAME", ">SIZE", ">PAGE", "ACCESS", "POOL"];

    /// <summary>The command and what stands under it.</summary>
    /// <param name="global">The global options.</param>
    public static Command Create(GlobalOptions global) => new("nbd", "Creates, lists, resizes and removes block devices, which nodes with grid.nbd on serve over NBD.")
    {
        CreateExport(global),
        List(global),
        Resize(global),
        Remove(global),
    };

    private static Command CreateExport(GlobalOptions global)
    {
        var name = Name();
        var size = Size("Bytes of the device, a multiple of the page size.");
        var pool = new Option<string?>("--pool", "-p") { Description = "The persistent pool that is to hold its pages and nothing else; made where there is none (default: nbd-NAME).", HelpName = "POOL" };
        var pageSize = new Option<string>("--page-size") { Description = "Bytes of a page of a new pool: a power of two from 4KiB to 64KiB.", HelpName = "SIZE", DefaultValueFactory = _ => "4KiB" };
        var compression = new Option<string>("--compression") { Description = "How pages of a new pool lie in memory and on disk: none, lz4 or zstd.", HelpName = "KIND", DefaultValueFactory = _ => "none" };
        var readOnly = new Option<bool>("--read-only") { Description = "Refuse writes." };
        compression.AcceptOnlyFromAmong("none", "lz4", "zstd");
        var command = new Command("create", "Creates a block device.") { name, size, pool, pageSize, compression, readOnly };
        global.SetAction(command, async (parse, session) =>
        {
            var text = parse.GetValue(pageSize)!;
            var options = new PoolOptions
            {
                Kind = PoolKind.Persistent,
                PageSizeBytes = SizeText.TryParseBytes(text, out var bytes) && bytes <= PoolOptions.MaxPageSizeBytes ? (int)bytes : 0,
                Compression = Enum.Parse<PageCompression>(parse.GetValue(compression)!, ignoreCase: true),
            };
            if (options.Validate() != null) throw CliException.Usage($"--page-size {text}: a power of two from 4KiB to 64KiB is expected");
            var export = parse.GetValue(name)!;
            return await ChangeAsync(session, "ready", exports => exports.CreateAsync(
                export, Bytes(parse.GetValue(size)!), parse.GetValue(pool) ?? $"nbd-{export}", options, parse.GetValue(readOnly), session.Cancellation));
        });
        return command;
    }

    private static Command List(GlobalOptions global)
    {
        var command = new Command("list", "Lists the block devices.");
        global.SetAction(command, async (_, session) =>
        {
            await using var client = await session.ConnectAsync();
            var exports = (await new NbdExports(client).ListAsync(session.Cancellation)).Select(ExportJson.Of).ToArray();
            if (session.Output.Json) session.Output.WriteJson(exports);
            else if (exports.Length == 0) await session.Output.Error.WriteLineAsync("no block devices yet (grid nbd create NAME --size SIZE)");
            else session.Output.WriteTable(Columns, exports.Select(export => (IReadOnlyList<string>)
            [
                export.Name, SizeText.Format(export.SizeBytes), SizeText.Format(export.PageSizeBytes), export.ReadOnly ? "read only" : "read, write", export.Pool,
            ]));
            return ExitCodes.Ok;
        });
        return command;
    }

    private static Command Resize(GlobalOptions global)
    {
        var name = Name();
        var size = Size("Its new size, a multiple of the page size and not less than now.");
        var command = new Command("resize", "Makes a block device larger. Who is connected sees it with the next connection.") { name, size };
        global.SetAction(command, (parse, session) =>
            ChangeAsync(session, "resized", exports => exports.ResizeAsync(parse.GetValue(name)!, Bytes(parse.GetValue(size)!), session.Cancellation)));
        return command;
    }

    private static Command Remove(GlobalOptions global)
    {
        var name = Name();
        var withData = new Option<bool>("--with-data") { Description = "Destroy its pool, too, and everything that was written." };
        var command = new Command("remove", "Removes a block device. Its pool stays, with what was written, unless told otherwise.") { name, withData };
        global.SetAction(command, async (parse, session) =>
        {
            await using var client = await session.ConnectAsync();
            var removed = await new NbdExports(client).RemoveAsync(parse.GetValue(name)!, session.Cancellation);
            if (parse.GetValue(withData)) await client.DestroyPoolAsync(removed.Pool, session.Cancellation);
            session.Output.Result(ExportJson.Of(removed), parse.GetValue(withData)
                ? $"block device '{removed.Name}' removed, pool '{removed.Pool}' destroyed"
                : $"block device '{removed.Name}' removed; its pages are in pool '{removed.Pool}' (grid pool destroy {removed.Pool})");
            return ExitCodes.Ok;
        });
        return command;
    }

    private static async Task<int> ChangeAsync(CliSession session, string what, Func<NbdExports, ValueTask<NbdExport>> change)
    {
        await using var client = await session.ConnectAsync();
        try
        {
            var export = await change(new NbdExports(client));
            session.Output.Result(ExportJson.Of(export), string.Create(CultureInfo.InvariantCulture,
                $"block device '{export.Name}' {what}: {SizeText.Format(export.SizeBytes)}, {(export.ReadOnly ? "read only" : "read and write")}, pages of {SizeText.Format(export.PageSizeBytes)} in pool '{export.Pool}'"));
            return ExitCodes.Ok;
        }
        catch (ArgumentException e)
        {
            // Behind the sentence stands the parameter's name, which means nothing at a shell.
            throw CliException.Usage(e.Message.Split(" (Parameter", 2)[0]);
        }
    }

    private static long Bytes(string text) => SizeText.TryParseBytes(text, out var bytes) && bytes > 0 ? bytes : throw CliException.Usage($"--size {text}: a size such as 8GiB is expected");

    private static Argument<string> Name()
    {
        var argument = new Argument<string>("NAME") { Description = "The block device's name." };
        argument.Validators.Add(result =>
        {
            if (result.Tokens.Count > 0 && PoolOptions.ValidateName(result.Tokens[0].Value) is { } wrong) result.AddError(wrong);
        });
        return argument;
    }

    private static Option<string> Size(string description) => new("--size") { Description = description, HelpName = "SIZE", Required = true };

    private sealed record ExportJson(string Name, string Pool, long SizeBytes, int PageSizeBytes, bool ReadOnly)
    {
        public static ExportJson Of(NbdExport export) => new(export.Name, export.Pool, export.SizeBytes, export.PageSizeBytes, export.ReadOnly);
    }
}
