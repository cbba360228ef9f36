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
          grid nbd create golden --origin nbd://10.0.0.5/debian --read-only
          grid nbd create scratch --backing /srv/grid/scratch.img --size 100GiB
          grid nbd list
          grid nbd resize disk --size 16GiB
          grid nbd remove disk --with-data
        """;

    private static readonly string[] Columns = ["NAME", ">SIZE", ">PAGE", "ACCESS", "POOL", "ORIGIN"];

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
        var size = Size("Bytes of the device, a multiple of the page size. May be left out with --origin: as many as it has.", isRequired: false);
        var origin = new Option<string?>("--origin")
        {
            Description = "Where its bytes are: a file that every serving node can open, or nbd://HOST[:PORT]/EXPORT. The grid caches pages of it, and writes go through to it. The nodes' setting grid.nbd.origins must allow it.",
            HelpName = "FILE|URI",
        };
        var backing = new Option<string?>("--backing") { Description = "A file that holds everything that is written, made where there is none: an origin that begins as zeros. Served by nodes that see the same file.", HelpName = "FILE" };
        var pool = new Option<string?>("--pool", "-p") { Description = "The pool of its pages, made where there is none (default: nbd-NAME): persistent, and for nothing else; with --origin or --backing ephemeral, and several devices may share it.", HelpName = "POOL" };
        var pageSize = new Option<string>("--page-size") { Description = "Bytes of a page of a new pool: a power of two from 4KiB to 64KiB.", HelpName = "SIZE", DefaultValueFactory = _ => "4KiB" };
        var compression = new Option<string>("--compression") { Description = "How pages of a new pool lie in memory and on disk: none, lz4 or zstd.", HelpName = "KIND", DefaultValueFactory = _ => "none" };
        var readOnly = new Option<bool>("--read-only") { Description = "Refuse writes." };
        compression.AcceptOnlyFromAmong("none", "lz4", "zstd");
        var command = new Command("create", "Creates a block device.") { name, size, origin, backing, pool, pageSize, compression, readOnly };
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
            var poolName = parse.GetValue(pool) ?? $"nbd-{export}";
            var bytesOfDevice = parse.GetValue(size) is { } given ? Bytes(given) : 0;
            if (bytesOfDevice == 0 && parse.GetValue(origin) is null) throw CliException.Usage("--size is missing: only a device with an --origin is as large as that");
            return await ChangeAsync(session, "ready", exports => OriginOf(parse.GetValue(origin), parse.GetValue(backing)) is { } held
                ? exports.CreateWithOriginAsync(export, held, bytesOfDevice, poolName, options, parse.GetValue(readOnly), session.Cancellation)
                : exports.CreateAsync(export, bytesOfDevice, poolName, options, parse.GetValue(readOnly), session.Cancellation));
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
                export.Name, SizeOf(export.SizeBytes), SizeText.Format(export.PageSizeBytes), export.ReadOnly ? "read only" : "read, write", export.Pool, export.Origin ?? "-",
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
            var exports = new NbdExports(client);
            var removed = await exports.RemoveAsync(parse.GetValue(name)!, session.Cancellation);
            var sharer = (await exports.ListAsync(session.Cancellation)).FirstOrDefault(export => export.Pool == removed.Pool);
            var destroys = parse.GetValue(withData) && sharer is null;
            if (destroys) await client.DestroyPoolAsync(removed.Pool, session.Cancellation);
            var origin = removed.Origin is { } held ? $"; {held.Location} is as it is" : "";
            session.Output.Result(ExportJson.Of(removed), $"block device '{removed.Name}' removed" + (destroys
                ? $", pool '{removed.Pool}' destroyed"
                : sharer is not null ? $"; pool '{removed.Pool}' is used by '{sharer.Name}', too" : $"; its pages are in pool '{removed.Pool}' (grid pool destroy {removed.Pool})") + origin);
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
                $"block device '{export.Name}' {what}: {SizeOf(export.SizeBytes)}, {(export.ReadOnly ? "read only" : "read and write")}, pages of {SizeText.Format(export.PageSizeBytes)} in pool '{export.Pool}'{(export.Origin is { } held ? $", {(held.IsBacking ? "backed by" : "of")} {held.Location}" : "")}"));
            return ExitCodes.Ok;
        }
        catch (ArgumentException e)
        {
            // Behind the sentence stands the parameter's name, which means nothing at a shell.
            throw CliException.Usage(e.Message.Split(" (Parameter", 2)[0]);
        }
    }

    private static long Bytes(string text) => SizeText.TryParseBytes(text, out var bytes) && bytes > 0 ? bytes : throw CliException.Usage($"--size {text}: a size such as 8GiB is expected");

    private static string SizeOf(long bytes) => bytes == 0 ? "as its origin" : SizeText.Format(bytes);

    private static NbdOrigin? OriginOf(string? origin, string? backing)
    {
        if (origin is not null && backing is not null) throw CliException.Usage("--origin and --backing: a backing is an origin, name one of them");
        // A path is the nodes', and that of the shell's folder no more than a guess.
        return origin is not null ? new NbdOrigin(origin) : backing is not null ? new NbdOrigin(backing, IsBacking: true) : null;
    }

    private static Argument<string> Name()
    {
        var argument = new Argument<string>("NAME") { Description = "The block device's name." };
        argument.Validators.Add(result =>
        {
            if (result.Tokens.Count > 0 && PoolOptions.ValidateName(result.Tokens[0].Value) is { } wrong) result.AddError(wrong);
        });
        return argument;
    }

    private static Option<string> Size(string description, bool isRequired = true) => new("--size") { Description = description, HelpName = "SIZE", Required = isRequired };

    private sealed record ExportJson(string Name, string Pool, long SizeBytes, int PageSizeBytes, bool ReadOnly, string? Origin, bool IsBacking)
    {
        public static ExportJson Of(NbdExport export) => new(export.Name, export.Pool, export.SizeBytes, export.PageSizeBytes, export.ReadOnly, export.Origin?.Location, export.Origin is { IsBacking: true });
    }
}
