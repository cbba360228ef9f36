using System.CommandLine;
using System.Globalization;
using Grid.Cli.Transfer;
using Grid.Cli.Verify;
using Grid.Client;
using Grid.Protocol;

namespace Grid.Cli.Commands;

/// <summary><c>grid verify</c>: checks everything that the journal holds of a pool.</summary>
internal static class VerifyCommand
{
    /// <summary>What help shows below.</summary>
    public const string Examples = """
        Examples:
          grid verify --pool vault
          grid verify --pool vault --offline --data /var/lib/grid
          grid verify --pool vault --offline --journal backup/grid.db --json
          grid verify --pool vault --offline --config /etc/grid/node.conf

        Exit code 5: something is damaged.
        """;

    /// <summary>The command.</summary>
    /// <param name="global">The global options.</param>
    public static Command Create(GlobalOptions global)
    {
        var pool = CommonArguments.PoolOption();
        var offline = new Option<bool>("--offline") { Description = "Read the journal itself, while no node runs." };
        var data = new Option<string?>("--data") { Description = "Offline: the node's data directory.", HelpName = "DIR" };
        var journal = new Option<string?>("--journal") { Description = "Offline: SQLite's file, e.g. a backup of it.", HelpName = "FILE" };
        var config = new Option<string[]>("--config") { Description = "Offline: the node's configuration, e.g. of its PostgreSQL; repeatable.", HelpName = "FILE" };
        var set = new Option<string[]>("--set") { Description = "Offline: one setting of the node, NAME=VALUE; repeatable.", HelpName = "NAME=VALUE" };
        var command = new Command("verify", "Checks every event and page that the journal holds of a persistent pool; changes nothing.") { pool, offline, data, journal, config, set };
        command.Validators.Add(result =>
        {
            var isOffline = result.GetValue(offline);
            if (!isOffline && (result.GetValue(data) ?? result.GetValue(journal) ?? result.GetValue(config)?.FirstOrDefault() ?? result.GetValue(set)?.FirstOrDefault()) != null)
                result.AddError("--data, --journal, --config and --set say where the journal is: they need --offline");
        });
        global.SetAction(command, async (parse, session) =>
        {
            var name = parse.GetValue(pool)!;
            if (!parse.GetValue(offline))
                return await session.WithPoolAsync(name, opened => OnlineAsync(session, opened));
            var node = new OfflineNode(NodeArguments(parse.GetValue(data), parse.GetValue(journal), parse.GetValue(config) ?? [], parse.GetValue(set) ?? []));
            return await RunAsync(session, name, "offline", node.VerifyAsync(name, session.Options.Tenant, session.Cancellation));
        });
        return command;
    }

    private static Task<int> OnlineAsync(CliSession session, Pool pool) => pool.Info.Options.Kind == PoolKind.Persistent
        ? RunAsync(session, pool.Name, "online", VerifySource.OnlineAsync(pool, session.Cancellation))
        : throw CliException.Usage($"pool '{pool.Name}' is ephemeral: it has no journal that could be verified");

    private static List<string> NodeArguments(string? data, string? journal, string[] config, string[] set)
    {
        var arguments = new List<string>();
        foreach (var file in config) arguments.AddRange(["--config", file]);
        if (data != null) arguments.AddRange(["--set", $"grid.node.data-directory={Path.GetFullPath(data)}"]);
        if (journal != null) arguments.AddRange(["--set", $"grid.journal.path={Path.GetFullPath(journal)}"]);
        foreach (var setting in set) arguments.AddRange(["--set", setting]);
        return arguments;
    }

    private static async Task<int> RunAsync(CliSession session, string pool, string how, IAsyncEnumerable<VerifiedPiece> pieces)
    {
        var report = new VerifyReport();
        var progress = new StreamProgress(session.Output, () => string.Create(CultureInfo.InvariantCulture,
            $"verified {report.Objects:#,0} objects, {report.CheckedPages:#,0} pages, {SizeText.Format(report.Bytes)}, {report.Damaged:#,0} damaged"));
        await progress.ShowAsync("verifying", async () =>
        {
            await foreach (var piece in pieces) report.Add(piece);
            return true;
        });
        if (session.Output.Json) session.Output.WriteJson(Json(pool, how, report, progress.Seconds));
        else Write(session.Output.Standard, pool, report, progress.Seconds);
        if (report.Damaged == 0) return ExitCodes.Ok;
        throw CliException.Checksum($"pool '{pool}' is damaged: {report.Damaged:#,0} damages in {report.DamagedObjects:#,0} objects");
    }

    private static object Json(string pool, string how, VerifyReport report, double seconds) => new
    {
        pool,
        how,
        objects = report.Objects,
        events = report.Events,
        pages = report.Pages,
        checkedPages = report.CheckedPages,
        bytes = report.Bytes,
        damaged = report.Damaged,
        damagedObjects = report.DamagedObjects,
        superseded = report.Superseded,
        damages = report.Damages,
        seconds = Math.Round(seconds, 3),
    };

    private static void Write(TextWriter output, string pool, VerifyReport report, double seconds)
    {
        foreach (var damage in report.Damages)
        {
            var where = damage.Index is { } index ? $"{damage.Object} page {index}" : damage.Object;
            output.WriteLine($"{(damage.Superseded ? "superseded" : "damaged")}  {where}  event {damage.Event}: {damage.What}");
        }

        if (report.Damages.Count < report.Damaged + report.Superseded) output.WriteLine($"… and {report.Damaged + report.Superseded - report.Damages.Count:#,0} more");
        output.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"pool '{pool}': {report.Objects:#,0} objects, {report.Events:#,0} events, {report.Pages:#,0} pages ({report.CheckedPages:#,0} checked), {SizeText.Format(report.Bytes)} in {seconds:0.00} s: "
            + $"{report.Damaged:#,0} damaged, {report.Superseded:#,0} damaged but superseded"));
    }
}
