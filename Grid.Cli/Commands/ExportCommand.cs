using System.CommandLine;
using System.Globalization;
using Grid.Cli.Transfer;
using Grid.Client;

namespace Grid.Cli.Commands;

/// <summary><c>grid export</c>: a pool into a file.</summary>
internal static class ExportCommand
{
    /// <summary>What help shows below.</summary>
    public const string Examples = """
        Examples:
          grid export --pool vault vault.grid
          grid export --pool vault vault.grid --freeze
          grid export --pool vault - | zstd > vault.grid.zst
        """;

    /// <summary>The command.</summary>
    /// <param name="global">The global options.</param>
    public static Command Create(GlobalOptions global)
    {
        var pool = CommonArguments.PoolOption();
        var file = new Argument<string>("FILE") { Description = "The file to write; - is the standard output." };
        var freeze = new Option<bool>("--freeze") { Description = "Freeze the pool meanwhile: puts are refused, gets and flushes work." };
        var force = new Option<bool>("--force") { Description = "Replace a file that is there." };
        var command = new Command("export", "Writes a pool with all its objects and pages into a file, each page with a checksum.") { pool, file, freeze, force };
        global.SetAction(command, async (parse, session) =>
        {
            await using var client = await session.ConnectAsync();
            var source = await client.OpenPoolAsync(parse.GetValue(pool)!, session.Cancellation);
            var path = parse.GetValue(file)!;
            if (path != "-" && File.Exists(path) && !parse.GetValue(force)) throw CliException.Failed($"{path} is there already (--force replaces it)");
            if (!parse.GetValue(freeze) || source.Info.Frozen) return await ExportAsync(session, client, source, path);
            await client.FreezePoolAsync(source.Name, session.Cancellation);
            try
            {
                return await ExportAsync(session, client, source, path);
            }
            finally
            {
                // Also after Ctrl-C: the pool was not frozen before.
                await client.ThawPoolAsync(source.Name, CancellationToken.None);
            }
        });
        return command;
    }

    private static async Task<int> ExportAsync(CliSession session, GridClient client, Pool pool, string path)
    {
        var held = (await client.StatPoolAsync(pool.Name, session.Cancellation)).Pages;
        var header = new ExportedPool(pool.Name, pool.Info.Tenant, pool.Info.Options, pool.Info.Frozen, DateTime.UtcNow, "grid cli");
        await using var target = ExportTarget.Open(path);
        var writer = new ExportWriter(target.Stream);
        var run = new ExportRun(pool, writer);
        var progress = new StreamProgress(
            session.Output,
            () => string.Create(CultureInfo.InvariantCulture, $"exported {run.Objects:#,0} objects, {writer.Pages:#,0} pages, {SizeText.Format(writer.Bytes)}"),
            () => held == 0 ? 0 : Math.Min(1, writer.Pages / (double)held));
        var totals = await progress.ShowAsync("exporting", () => run.RunAsync(header, session.Cancellation));
        await target.CommitAsync(session.Cancellation);
        var line = string.Create(CultureInfo.InvariantCulture,
            $"exported pool '{pool.Name}': {totals.Objects:#,0} objects, {totals.Pages:#,0} pages, {SizeText.Format(writer.Bytes)} in {progress.Seconds:0.00} s ({totals.Pages / progress.Seconds:#,0} pages/s)");
        if (totals.ChangedObjects > 0) line += string.Create(CultureInfo.InvariantCulture, $"; {totals.ChangedObjects:#,0} objects changed while they were read (--freeze prevents puts)");
        var result = new
        {
            pool = pool.Name,
            objects = totals.Objects,
            pages = totals.Pages,
            changedObjects = totals.ChangedObjects,
            bytes = writer.Bytes,
            seconds = Math.Round(progress.Seconds, 3),
            pagesPerSecond = Math.Round(totals.Pages / progress.Seconds),
        };
        // The standard output is the file.
        if (path == "-") await session.Output.Error.WriteLineAsync(line);
        else session.Output.Result(result, line);
        return ExitCodes.Ok;
    }
}
