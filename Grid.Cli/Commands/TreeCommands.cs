using System.CommandLine;
using System.Globalization;
using Grid.Cli.Files;
using Grid.Client;

namespace Grid.Cli.Commands;

/// <summary><c>grid store</c>, <c>grid fetch</c>, <c>grid ls</c>: file trees in a pool.</summary>
internal static class TreeCommands
{
    /// <summary>What help shows below store.</summary>
    public const string StoreExamples = """
        Examples:
          grid pool create vault --persistent
          grid store /usr/share/doc --pool vault
          grid store notes.txt --pool vault
        """;

    /// <summary>What help shows below fetch.</summary>
    public const string FetchExamples = """
        Examples:
          grid fetch --pool vault --to /tmp/doc
          grid fetch --pool vault --to /tmp/doc --force
        """;

    /// <summary>What help shows below ls.</summary>
    public const string ListExamples = """
        Examples:
          grid ls --pool vault
          grid ls --pool vault --json
        """;

    /// <summary>The command store.</summary>
    /// <param name="global">The global options.</param>
    public static Command Store(GlobalOptions global)
    {
        var path = new Argument<string>("PATH") { Description = "A directory, whose content is stored, or a file." };
        var pool = CommonArguments.PoolOption();
        var parallel = CommonArguments.Parallel();
        var replace = new Option<bool>("--replace") { Description = "Drop what the pool holds and PATH does not; without it the two are merged, and PATH wins." };
        var command = new Command("store", "Stores a file tree in a pool. Readers see the previous tree until all of the new one is there.") { path, pool, parallel, replace };
        global.SetAction(command, (parse, session) => session.WithPoolAsync(parse.GetValue(pool)!, async target =>
        {
            var local = LocalTree.Walk(parse.GetValue(path)!);
            foreach (var skipped in local.Skipped) await session.Output.Error.WriteLineAsync($"grid: skipped {skipped}: not a file, directory or link");
            var counters = new TransferCounters();
            var progress = new TransferProgress(session.Output, counters);
            var files = local.Entries.Where(item => item.Entry.Kind == EntryKind.File).ToArray();
            var store = new TreeStore(target, parse.GetValue(parallel), counters);
            await progress.ShowAsync("storing", files.Sum(item => item.Entry.SizeBytes), files.Length, () => store.StoreAsync(local, parse.GetValue(replace), session.Cancellation));
            progress.Finish("stored", Manifest.Of(local.Entries.Select(item => item.Entry)));
            if (store.Leftovers) await session.Output.Error.WriteLineAsync("grid: some objects that are not needed any more could not be flushed; they take room");
            return ExitCodes.Ok;
        }));
        return command;
    }

    /// <summary>The command fetch.</summary>
    /// <param name="global">The global options.</param>
    public static Command Fetch(GlobalOptions global)
    {
        var pool = CommonArguments.PoolOption();
        var to = new Option<string>("--to") { Description = "The directory to write into; made if it is missing.", HelpName = "DIR", Required = true };
        var parallel = CommonArguments.Parallel();
        var force = new Option<bool>("--force") { Description = "Write into a directory that is not empty: replaces files, leaves others." };
        var command = new Command("fetch", "Writes the file tree that a pool holds into a directory and verifies every checksum.") { pool, to, parallel, force };
        global.SetAction(command, (parse, session) => session.WithPoolAsync(parse.GetValue(pool)!, async source =>
        {
            var target = parse.GetValue(to)!;
            if (File.Exists(target)) throw CliException.Failed($"{target} is a file");
            if (!parse.GetValue(force) && Directory.Exists(target) && Directory.EnumerateFileSystemEntries(target).Any()) throw CliException.Failed($"{target} is not empty (--force writes into it nevertheless)");
            var tree = new PoolTree(source);
            var manifest = await ReadAsync(source, tree, session);
            var counters = new TransferCounters();
            var progress = new TransferProgress(session.Output, counters);
            var fetch = new TreeFetch(source, target, parse.GetValue(parallel), counters);
            await progress.ShowAsync("fetching", manifest.Snapshot.Manifest.FileBytes, manifest.Snapshot.Manifest.Files.Count(), async () =>
            {
                try
                {
                    await fetch.FetchAsync(manifest.Snapshot.Manifest, session.Cancellation);
                    return true;
                }
                catch (MissingPageException e)
                {
                    var replaced = await tree.CurrentRunAsync(session.Cancellation) != manifest.Run;
                    throw CliException.Failed(e.Message + (replaced ? "; another tree was stored meanwhile, fetch again" : $" in pool '{source.Name}'"));
                }
            });
            progress.Finish("fetched", manifest.Snapshot.Manifest);
            return ExitCodes.Ok;
        }));
        return command;
    }

    /// <summary>The command ls.</summary>
    /// <param name="global">The global options.</param>
    public static Command List(GlobalOptions global)
    {
        var pool = CommonArguments.PoolOption();
        var command = new Command("ls", "Lists the file tree that a pool holds.") { pool };
        global.SetAction(command, (parse, session) => session.WithPoolAsync(parse.GetValue(pool)!, async source =>
        {
            var manifest = (await ReadAsync(source, new PoolTree(source), session)).Snapshot.Manifest;
            if (session.Output.Json)
            {
                session.Output.WriteJson(manifest.Entries.Select(EntryJson.Of));
                return ExitCodes.Ok;
            }

            foreach (var entry in manifest.Entries) await session.Output.Standard.WriteLineAsync(Line(entry));
            return ExitCodes.Ok;
        }));
        return command;
    }

    private static async Task<(PoolTree.Snapshot Snapshot, ulong Run)> ReadAsync(Pool source, PoolTree tree, CliSession session)
    {
        var snapshot = await tree.ReadAsync(session.Cancellation);
        return snapshot.Header is { } header
            ? (snapshot, header.Run)
            : throw CliException.Failed($"pool '{source.Name}' holds no file tree (grid store DIR --pool {source.Name})");
    }

    private static string Line(FileEntry entry)
    {
        var type = entry.Kind switch { EntryKind.Directory => 'd', EntryKind.Link => 'l', _ => '-' };
        var target = entry.Kind == EntryKind.Link ? $" -> {entry.Target}" : "";
        return string.Create(CultureInfo.InvariantCulture, $"{type}{Permissions(entry.Mode)} {entry.SizeBytes,14:#,0} {entry.ModifiedUtc:yyyy-MM-dd HH:mm:ss} {entry.Path}{target}");
    }

    private static string Permissions(UnixFileMode mode)
    {
        const string letters = "rwxrwxrwx";
        return string.Create(letters.Length, mode, static (text, mode) =>
        {
            for (var i = 0; i < text.Length; i++) text[i] = ((int)mode >> (text.Length - 1 - i) & 1) != 0 ? letters[i] : '-';
        });
    }

    private sealed record EntryJson(EntryKind Kind, string Path, string Mode, DateTime ModifiedUtc, long? SizeBytes, string? Object, string? Checksum, string? Target)
    {
        public static EntryJson Of(FileEntry entry)
        {
            var file = entry.Kind == EntryKind.File;
            return new EntryJson(
                entry.Kind, entry.Path, Convert.ToString((int)entry.Mode, 8).PadLeft(4, '0'), entry.ModifiedUtc,
                file ? entry.SizeBytes : null, file ? entry.Object.ToString() : null, file ? $"{entry.Checksum:x32}" : null, entry.Kind == EntryKind.Link ? entry.Target : null);
        }
    }
}
