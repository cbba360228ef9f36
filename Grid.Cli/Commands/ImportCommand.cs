using System.CommandLine;
using System.Globalization;
using Grid.Cli.Transfer;
using Grid.Client;
using Grid.Protocol;

namespace Grid.Cli.Commands;

/// <summary><c>grid import</c>: a pool out of a file.</summary>
internal static class ImportCommand
{
    /// <summary>What help shows below.</summary>
    public const string Examples = """
        Examples:
          grid import vault.grid
          grid import vault.grid --pool vault-copy
          zstd -dc vault.grid.zst | grid import -
          grid import vault.grid --check
        """;

    private const int BufferBytes = 1 << 20;

    /// <summary>The command.</summary>
    /// <param name="global">The global options.</param>
    public static Command Create(GlobalOptions global)
    {
        var file = new Argument<string>("FILE") { Description = "A file that export wrote; - is the standard input." };
        var pool = CommonArguments.PoolOption();
        pool.Required = false;
        pool.Description = "The pool's name; by default the one it had.";
        var into = new Option<bool>("--into-existing") { Description = "Write into a pool that holds pages: replaces those the file has, leaves others." };
        var check = new Option<bool>("--check") { Description = "Only read the file to its end and verify it." };
        var command = new Command("import", "Makes a pool of what export wrote and verifies every byte before it is stored.") { file, pool, into, check };
        global.SetAction(command, async (parse, session) =>
        {
            var path = parse.GetValue(file)!;
            await using var input = path == "-" ? Console.OpenStandardInput() : new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, BufferBytes, FileOptions.Asynchronous | FileOptions.SequentialScan);
            await using var buffered = new BufferedStream(input, BufferBytes);
            var reader = new ExportReader(buffered);
            await reader.BeginAsync(session.Cancellation);
            var length = path == "-" ? 0 : input.Length;
            if (parse.GetValue(check)) return await CheckAsync(session, reader, length);
            await using var client = await session.ConnectAsync();
            return await ImportAsync(session, client, reader, parse.GetValue(pool) ?? reader.Pool.Name, parse.GetValue(into), length);
        });
        return command;
    }

    private static async Task<int> CheckAsync(CliSession session, ExportReader reader, long length)
    {
        var progress = Progress(session, reader, "checked", () => (long)reader.PageCount, length);
        await progress.ShowAsync("checking", async () =>
        {
            var page = new byte[reader.Pool.Options.PageSizeBytes];
            while (await reader.NextPagesAsync(session.Cancellation))
                foreach (var item in reader.Pages) reader.Restore(item, page);
            return true;
        });
        return Finish(session, reader, $"the export of pool '{reader.Pool.Name}' is whole", reader.Pool.Name, progress.Seconds);
    }

    private static async Task<int> ImportAsync(CliSession session, GridClient client, ExportReader reader, string name, bool intoExisting, long length)
    {
        var (pool, isNew) = await OpenAsync(session, client, reader.Pool, name, intoExisting);
        var run = new ImportRun(reader, pool, isNew);
        var progress = Progress(session, reader, "imported", () => run.Pages, length);
        try
        {
            await progress.ShowAsync("importing", () => run.RunAsync(session.Cancellation));
            if (isNew && reader.Pool.Frozen) await client.FreezePoolAsync(name, session.Cancellation);
        }
        catch when (isNew)
        {
            // A half of a pool must not pass for the whole. The command's own cancellation must not stop that.
            await client.DestroyPoolAsync(name, CancellationToken.None);
            await session.Output.Error.WriteLineAsync($"grid: the import failed; pool '{name}', which it had made, is destroyed again");
            throw;
        }

        return Finish(session, reader, $"imported pool '{name}'", name, progress.Seconds);
    }

    private static async Task<(Pool Pool, bool IsNew)> OpenAsync(CliSession session, GridClient client, ExportedPool exported, string name, bool intoExisting)
    {
        // Opening would join a shared pool: look first.
        var existing = (await client.ListPoolsAsync(session.Cancellation)).FirstOrDefault(pool => pool.Name == name);
        if (existing == null) return (await client.CreatePoolAsync(name, exported.Options, session.Cancellation), true);
        var (here, there) = (existing.Options, exported.Options);
        if (here.PageSizeBytes != there.PageSizeBytes || here.Kind != there.Kind)
            throw CliException.Failed($"pool '{name}' is {Describe(here)}, the export is of one that is {Describe(there)}: import it under another name (--pool)");
        if (existing.Frozen) throw CliException.Refused($"pool '{name}' is frozen (grid pool thaw {name})");
        var pool = await client.OpenPoolAsync(name, session.Cancellation);
        if (intoExisting) return (pool, false);
        await foreach (var item in pool.ListObjectsAsync(cancellationToken: session.Cancellation))
            throw CliException.Failed($"pool '{name}' holds pages already, e.g. of object {item.Id} (--into-existing writes into it nevertheless; --pool names another)");
        return (pool, false);
    }

    private static string Describe(PoolOptions options) => $"{options.Kind.ToString().ToLowerInvariant()} with pages of {SizeText.Format(options.PageSizeBytes)}";

    private static StreamProgress Progress(CliSession session, ExportReader reader, string done, Func<long> pages, long length) => new(
        session.Output,
        () => string.Create(CultureInfo.InvariantCulture, $"{done} {pages():#,0} pages, {SizeText.Format(reader.Bytes)}{(length > 0 ? $" of {SizeText.Format(length)}" : "")}"),
        length > 0 ? () => reader.Bytes / (double)length : null);

    private static int Finish(CliSession session, ExportReader reader, string done, string pool, double seconds)
    {
        var totals = reader.Totals!;
        var result = new
        {
            pool,
            objects = totals.Objects,
            pages = totals.Pages,
            changedObjects = totals.ChangedObjects,
            bytes = reader.Bytes,
            createdUtc = reader.Pool.CreatedUtc,
            frozen = reader.Pool.Frozen,
            seconds = Math.Round(seconds, 3),
            pagesPerSecond = Math.Round(totals.Pages / seconds),
        };
        session.Output.Result(result, string.Create(CultureInfo.InvariantCulture,
            $"{done}: {totals.Objects:#,0} objects, {totals.Pages:#,0} pages, {SizeText.Format(reader.Bytes)} in {seconds:0.00} s ({totals.Pages / seconds:#,0} pages/s)"));
        return ExitCodes.Ok;
    }
}
