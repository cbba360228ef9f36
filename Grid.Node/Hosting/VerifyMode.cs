using System.Text.Json;
using System.Text.Json.Serialization;
using Grid.Node.Journal;
using Grid.Node.Pools;
using Grid.Protocol;

namespace Grid.Node.Hosting;

/// <summary>
/// <c>--verify-pool</c>: goes through the journal of a pool while no node runs and tells what it finds, a line of JSON for every piece of an object it has looked at. It opens the database
/// for reading only. The command <c>grid verify --offline</c> makes a report of it.
/// </summary>
internal static class VerifyMode
{
    private const int BytesAtOnce = 8 << 20;

    private static readonly JsonSerializerOptions Json = new(JsonSerializerDefaults.Web) { DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull };

    /// <summary>Verifies; the exit code is 0 also where damage was found, for the lines tell of it.</summary>
    /// <exception cref="StartupException">The journal can't be read, or a node uses it.</exception>
    public static async Task<int> RunAsync(GridSettings settings, string tenant, string name, TextWriter output, CancellationToken cancellation)
    {
        try
        {
            // A node that runs may delete what is being read; the lock tells of one on this machine.
            if (settings.Journal.Provider == JournalProvider.Sqlite)
            {
                if (settings.Journal.Path.StartsWith(settings.Node.DataDirectory + Path.DirectorySeparatorChar, StringComparison.Ordinal))
                    DataDirectory.DemandUnused(settings.Node.DataDirectory);
                if (!File.Exists(settings.Journal.Path)) throw NotThere(settings.Journal.Path);
            }

            using var journal = new JournalReader(settings.Journal.ToOptions());
            var directory = await PoolJournal.ReadAsync(journal, cancellation);
            if (!directory.Names.TryGetValue((tenant, name), out var id))
                throw new StartupException(ExitCodes.Failure, $"there is no pool '{name}' in this journal (tenant {tenant}; pools: {string.Join(", ", directory.Names.Keys.Where(key => key.Tenant == tenant).Select(key => key.Name).Order())})");
            var info = directory.Pools[id].Info;
            if (info.Options.Kind != PoolKind.Persistent) throw new StartupException(ExitCodes.BadSettings, $"pool '{name}' is ephemeral: it has no journal");
            await WriteAsync(output, new PoolLine(info.Name, info.Id.Value, info.Options.PageSizeBytes));
            await VerifyAsync(journal, id, output, cancellation);
            await WriteAsync(output, new EndLine(true));
            return ExitCodes.Ok;
        }
        catch (Exception e) when (e is JournalUnavailableException or JournalCorruptException or JournalSetupException or InvalidDataException)
        {
            throw new StartupException(ExitCodes.Surroundings, $"grid.journal: {e.Message}", e);
        }
        catch (OperationCanceledException) when (cancellation.IsCancellationRequested)
        {
            throw new StartupException(ExitCodes.Failure, "interrupted");
        }
    }

    private static async Task VerifyAsync(JournalReader journal, PoolId pool, TextWriter output, CancellationToken cancellation)
    {
        var list = new ObjectListPart([], default, false);
        while (!list.IsLast)
        {
            list = await journal.ListObjectsAsync(new ObjectListRequest(pool, list.Next, ProtocolLimits.MaxListedObjects, WithEmpty: true), cancellation);
            foreach (var item in list.Objects)
            {
                var part = new VerifyPart(false, 0, 0, 0, 0, []);
                while (!part.IsLast)
                {
                    part = await journal.VerifyAsync(new VerifyRequest(pool, item.Id, part.Last, BytesAtOnce), cancellation);
                    await WriteAsync(output, new PartLine(item.Id.ToString(), item.Pages, part));
                }
            }
        }
    }

    private static Task WriteAsync<T>(TextWriter output, T line) => output.WriteLineAsync(JsonSerializer.Serialize(line, Json));

    private static StartupException NotThere(string path) => new(ExitCodes.Surroundings, $"grid.journal.path: there is no file {path}");

    private sealed record PoolLine(string Pool, ulong Id, int PageSizeBytes);

    private sealed record PartLine(string Object, ulong? HeldPages, VerifyPart Part);

    private sealed record EndLine(bool End);
}
