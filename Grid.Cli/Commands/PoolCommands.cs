using System.CommandLine;
using Grid.Client;
using Grid.Protocol;

namespace Grid.Cli.Commands;

/// <summary><c>grid pool …</c>.</summary>
internal static class PoolCommands
{
    /// <summary>What help shows below.</summary>
    public const string Examples = """
        Examples:
          grid pool create vault --persistent --quota 10GiB
          grid pool create cache --compression lz4
          grid pool list
          grid pool stat vault
        """;

    private const string CreateExamples = """
        Examples:
          grid pool create vault --persistent
          grid pool create cache --page-size 16KiB --compression lz4 --quota 100000
          grid pool create common --shared --connect "grid://127.0.0.1:7070?member=web1"
        """;

    /// <summary>The command and what stands under it.</summary>
    /// <param name="global">The global options.</param>
    /// <param name="examples">Where the examples of the commands under it go.</param>
    public static Command Create(GlobalOptions global, Dictionary<Command, string> examples)
    {
        var create = CreatePool(global);
        examples[create] = CreateExamples;
        return new Command("pool", "Creates, lists, inspects and destroys pools.")
        {
            create,
            List(global),
            Named(global, "stat", "Shows a pool's attributes and counters.", StatAsync),
            Named(global, "freeze", "Refuses puts into a pool from now on; gets and flushes go on. A refused overwrite empties its page.",
                async (client, name, session) => Changed(session, await client.FreezePoolAsync(name, session.Cancellation), "frozen")),
            Named(global, "thaw", "Accepts puts into a frozen pool again.",
                async (client, name, session) => Changed(session, await client.ThawPoolAsync(name, session.Cancellation), "thawed")),
            Named(global, "destroy", "Destroys a private pool and every page in it; leaves a shared one.", DestroyAsync),
        };
    }

    private static Command CreatePool(GlobalOptions global)
    {
        var name = CommonArguments.Pool();
        var persistent = new Option<bool>("--persistent") { Description = "An accepted page is kept until it is overwritten or flushed." };
        var ephemeral = new Option<bool>("--ephemeral") { Description = "A cache: any page may vanish at any time (the default)." };
        var shared = new Option<bool>("--shared") { Description = "Several members; joins a pool that exists with the same attributes." };
        var pageSize = new Option<string>("--page-size") { Description = "Bytes of a page: a power of two from 4KiB to 64KiB.", HelpName = "SIZE", DefaultValueFactory = _ => "4KiB" };
        var compression = new Option<string>("--compression") { Description = "How pages lie in memory and on disk: none, lz4 or zstd.", HelpName = "KIND", DefaultValueFactory = _ => "none" };
        var quota = new Option<string?>("--quota") { Description = "The most it may hold over the whole Grid: a size such as 10GiB, or a number of pages.", HelpName = "SIZE|PAGES" };
        compression.AcceptOnlyFromAmong("none", "lz4", "zstd");
        var command = new Command("create", "Creates a pool.") { name, persistent, ephemeral, shared, pageSize, compression, quota };
        command.Validators.Add(result =>
        {
            if (result.GetValue(persistent) && result.GetValue(ephemeral)) result.AddError("--persistent and --ephemeral exclude each other");
        });
        global.SetAction(command, async (parse, session) =>
        {
            var options = new PoolOptions
            {
                Kind = parse.GetValue(persistent) ? PoolKind.Persistent : PoolKind.Ephemeral,
                Sharing = parse.GetValue(shared) ? PoolSharing.Shared : PoolSharing.Private,
                Compression = Enum.Parse<PageCompression>(parse.GetValue(compression)!, ignoreCase: true),
                PageSizeBytes = PageSize(parse.GetValue(pageSize)!),
            };
            options = options with { QuotaPages = Quota(parse.GetValue(quota), options.PageSizeBytes) };
            if (options.Validate() is { } wrong) throw CliException.Usage(wrong);
            await using var client = await session.ConnectAsync();
            var pool = await client.CreatePoolAsync(parse.GetValue(name)!, options, session.Cancellation);
            return Changed(session, pool.Info, "ready");
        });
        return command;
    }

    private static Command List(GlobalOptions global)
    {
        var command = new Command("list", "Lists the pools.");
        global.SetAction(command, async (_, session) =>
        {
            await using var client = await session.ConnectAsync();
            var pools = (await client.ListPoolsAsync(session.Cancellation)).OrderBy(pool => pool.Name, StringComparer.Ordinal).Select(PoolJson.Of).ToArray();
            if (session.Output.Json) session.Output.WriteJson(pools);
            else if (pools.Length == 0) await session.Output.Error.WriteLineAsync("no pools yet (grid pool create NAME)");
            else PoolViews.WritePools(session.Output, pools);
            return ExitCodes.Ok;
        });
        return command;
    }

    private static Command Named(GlobalOptions global, string verb, string description, Func<GridClient, string, CliSession, Task<int>> action)
    {
        var name = CommonArguments.Pool();
        var command = new Command(verb, description) { name };
        global.SetAction(command, async (parse, session) =>
        {
            await using var client = await session.ConnectAsync();
            return await action(client, parse.GetValue(name)!, session);
        });
        return command;
    }

    private static async Task<int> StatAsync(GridClient client, string name, CliSession session)
    {
        var stat = await client.StatPoolAsync(name, session.Cancellation);
        if (session.Output.Json) session.Output.WriteJson(new StatJson(PoolJson.Of(stat.Pool), stat.Objects, stat.Pages, stat.LogicalBytes, stat.StoredBytes, stat.SameFilledPages, stat.Puts, stat.Refusals, stat.Gets, stat.Hits, stat.Flushes, stat.Evictions));
        else PoolViews.WriteStat(session.Output, stat);
        return ExitCodes.Ok;
    }

    private static async Task<int> DestroyAsync(GridClient client, string name, CliSession session)
    {
        var done = await client.DestroyPoolAsync(name, session.Cancellation);
        session.Output.Result(new { name, done }, done
            ? $"pool '{name}' destroyed"
            : $"pool '{name}' is being destroyed: no page of it can be reached, but some node has not confirmed it yet");
        return ExitCodes.Ok;
    }

    private static int Changed(CliSession session, PoolInfo pool, string what)
    {
        var options = pool.Options;
        session.Output.Result(PoolJson.Of(pool), $"pool '{pool.Name}' {what} ({options.Kind.ToString().ToLowerInvariant()}, {options.Sharing.ToString().ToLowerInvariant()}, pages of {SizeText.Format(options.PageSizeBytes)}, id {pool.Id})");
        return ExitCodes.Ok;
    }

    private static int PageSize(string text) =>
        SizeText.TryParseBytes(text, out var bytes) && bytes <= PoolOptions.MaxPageSizeBytes
            ? (int)bytes
            : throw CliException.Usage($"--page-size {text}: a power of two from 4KiB to 64KiB is expected");

    private static ulong Quota(string? text, int pageSizeBytes)
    {
        if (text == null) return 0;
        return SizeText.TryParseQuota(text, pageSizeBytes, out var pages)
            ? pages
            : throw CliException.Usage($"--quota {text}: a size such as 10GiB, at least one page, or a number of pages is expected");
    }

    private sealed record StatJson(
        PoolJson Pool, ulong Objects, ulong Pages, ulong LogicalBytes, ulong StoredBytes, ulong SameFilledPages, ulong Puts, ulong Refusals, ulong Gets, ulong Hits, ulong Flushes, ulong Evictions);
}
