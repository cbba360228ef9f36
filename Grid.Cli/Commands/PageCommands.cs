using System.CommandLine;
using System.Text;
using Grid.Client;

namespace Grid.Cli.Commands;

/// <summary><c>grid put</c>, <c>grid get</c>, <c>grid flush</c>: single pages.</summary>
internal static class PageCommands
{
    /// <summary>What help shows below put.</summary>
    public const string PutExamples = """
        Examples:
          grid put cache name:motd 0 --text "hello" --pad
          head -c 4096 /dev/urandom | grid put cache 17 3
          grid put cache 17 4 --file page.bin
        """;

    /// <summary>What help shows below get.</summary>
    public const string GetExamples = """
        Examples:
          grid get cache name:motd 0 --hex
          grid get cache 17 3 --keep --out page.bin
          grid get cache 17 3 > page.bin
        """;

    /// <summary>What help shows below flush.</summary>
    public const string FlushExamples = """
        Examples:
          grid flush cache 17 3
          grid flush cache name:motd
        """;

    /// <summary>The command put.</summary>
    /// <param name="global">The global options.</param>
    public static Command Put(GlobalOptions global)
    {
        var pool = CommonArguments.Pool();
        var obj = CommonArguments.Object();
        var index = CommonArguments.Index();
        var file = new Option<string?>("--file", "-f") { Description = "Where the page comes from; - (the default) is the standard input.", HelpName = "FILE" };
        var text = new Option<string?>("--text") { Description = "The page itself, as UTF-8.", HelpName = "TEXT" };
        var pad = new Option<bool>("--pad") { Description = "Fill a page that is too short with zeros; without it that is an error." };
        var command = new Command("put", "Stores one page.") { pool, obj, index, file, text, pad };
        command.Validators.Add(result =>
        {
            if (result.GetValue(file) != null && result.GetValue(text) != null) result.AddError("--file and --text exclude each other");
        });
        global.SetAction(command, (parse, session) => session.WithPoolAsync(parse.GetValue(pool)!, async target =>
        {
            var given = parse.GetValue(text) is { } words
                ? Encoding.UTF8.GetBytes(words)
                : await PageInput.ReadAsync(parse.GetValue(file) ?? "-", target.PageSizeBytes, session.Cancellation);
            var page = PageInput.Fit(given, target.PageSizeBytes, parse.GetValue(pad));
            var result = await target.PutAsync(parse.GetValue(obj), parse.GetValue(index), page, null, session.Cancellation);
            if (!result.Stored)
            {
                if (session.Output.Json) session.Output.WriteJson(new { stored = false, reason = result.Reason, version = result.Version.ToString() });
                throw CliException.Refused($"{CliErrors.Refusal(result.Reason, target.Name)}; the page is empty now");
            }

            session.Output.Result(new { stored = true, version = result.Version.ToString() }, $"stored (version {result.Version})");
            return ExitCodes.Ok;
        }));
        return command;
    }

    /// <summary>The command get.</summary>
    /// <param name="global">The global options.</param>
    public static Command Get(GlobalOptions global)
    {
        var pool = CommonArguments.Pool();
        var obj = CommonArguments.Object();
        var index = CommonArguments.Index();
        var path = new Option<string?>("--out", "-o") { Description = "Where the page goes; the standard output by default.", HelpName = "FILE" };
        var keep = new Option<bool>("--keep") { Description = "Leave the page where it is." };
        var take = new Option<bool>("--take") { Description = "Remove the page (the default in ephemeral private pools)." };
        var hex = new Option<bool>("--hex") { Description = "Print a hex dump (the default on a terminal)." };
        var command = new Command("get", "Reads one page; in an ephemeral private pool that removes it, unless --keep is given.") { pool, obj, index, path, keep, take, hex };
        command.Validators.Add(result =>
        {
            if (result.GetValue(keep) && result.GetValue(take)) result.AddError("--keep and --take exclude each other");
            if (result.GetValue(path) != null && result.GetValue(hex)) result.AddError("--out and --hex exclude each other");
        });
        global.SetAction(command, (parse, session) => session.WithPoolAsync(parse.GetValue(pool)!, async target =>
        {
            var page = new byte[target.PageSizeBytes];
            var mode = parse.GetValue(keep) ? GetMode.Keep : parse.GetValue(take) ? GetMode.Take : GetMode.PoolDefault;
            var result = await target.GetAsync(parse.GetValue(obj), parse.GetValue(index), page, mode, null, session.Cancellation);
            if (result.Hit) await PageOutput.WriteAsync(session.Output, page, result, parse.GetValue(path), parse.GetValue(hex), session.Cancellation);
            else if (session.Output.Json) session.Output.WriteJson(new { hit = false, version = result.Version.ToString() });
            if (!result.Hit) throw CliException.Failed($"no page at {parse.GetValue(obj)}/{parse.GetValue(index)} in pool '{target.Name}'");
            return ExitCodes.Ok;
        }));
        return command;
    }

    /// <summary>The command flush.</summary>
    /// <param name="global">The global options.</param>
    public static Command Flush(GlobalOptions global)
    {
        var pool = CommonArguments.Pool();
        var obj = CommonArguments.Object();
        var index = CommonArguments.OptionalIndex();
        var command = new Command("flush", "Removes one page, or every page of an object. Nothing to remove is no error.") { pool, obj, index };
        global.SetAction(command, (parse, session) => session.WithPoolAsync(parse.GetValue(pool)!, async target =>
        {
            var page = parse.GetValue(index);
            var result = page is { } number
                ? await target.FlushPageAsync(parse.GetValue(obj), number, null, session.Cancellation)
                : await target.FlushObjectAsync(parse.GetValue(obj), null, session.Cancellation);
            var what = page == null ? "object" : "page";
            session.Output.Result(new { wasThere = result.WasThere, version = result.Version.ToString() }, result.WasThere ? $"{what} flushed" : $"{what} was not there");
            return ExitCodes.Ok;
        }));
        return command;
    }
}
