using System.Globalization;
using System.Text;
using Akka.Actor.Setup;
using Akka.Configuration;
using Akka.Persistence.Sql;

namespace Grid.Node.Journal;

/// <summary>Akka.Persistence.Sql as the journal needs it.</summary>
public static class JournalConfig
{
    /// <summary>The journal plugin.</summary>
    public const string Plugin = "akka.persistence.journal.sql";

    internal const string CallTimeout = Plugin + ".circuit-breaker.call-timeout";

    private const string Resource = "hocon/journal.conf";

    private static readonly (string Path, string Value, string Why)[] Demands =
    [
        ("akka.persistence.journal.plugin", Plugin, "events would go elsewhere than the node's own reads look for them"),
        (Plugin + ".class", "Grid.Node.Journal.GroupCommitJournal, Grid.Node", "events of many objects would not share commits, and what a failed write left would not be told rightly"),
        (Plugin + ".replay-filter.mode", "off", "any other mode drops acknowledged events when an object returns to a node that wrote it before"),
        (Plugin + ".auto-initialize", "off", "the tables and their unique key come from the node's own script and are checked at start"),
        (Plugin + ".table-mapping", "default", "the node's own reads know the default tables"),
        (Plugin + ".delete-compatibility-mode", "off", "the node's own reads keep the metadata table"),
        ("akka.actor.serializers.grid-journal", "Grid.Node.Journal.JournalEventSerializer, Grid.Node", "events would be written in another format"),
    ];

    /// <summary>The configuration that the journal adds to Akka's.</summary>
    /// <param name="options">The journal.</param>
    public static Config Akka(JournalOptions options)
    {
        // The connection string, which may hold a password, goes by the setup: a configuration can be printed.
        var database = JournalDatabase.For(options);
        var isSqlite = options.Provider == JournalProvider.Sqlite;
        // Any other isolation level makes every read of SQLite's driver take the write lock. In WAL mode it still sees a snapshot.
        var text = string.Create(
            CultureInfo.InvariantCulture,
            $$"""
            {{Plugin}} {
              provider-name = {{Quote(database.ProviderName)}}
              read-isolation-level = {{(isSqlite ? "read-uncommitted" : "read-committed")}}
              circuit-breaker.call-timeout = {{(long)options.WriteTimeout.TotalMilliseconds}}ms
            }
            """);
        return ConfigurationFactory.ParseString(text)
            .WithFallback(ConfigurationFactory.ParseString(OwnText()))
            .WithFallback(SqlPersistence.DefaultConfiguration);
    }

    /// <summary>What the journal adds to the actor system's setup: what its plugin must know.</summary>
    /// <param name="options">The journal.</param>
    public static Setup Setup(JournalOptions options) => new GroupCommitSetup(options);

    /// <summary>Refuses a configuration under which acknowledged events could be lost.</summary>
    /// <param name="config">The whole configuration of the actor system, defaults included.</param>
    /// <exception cref="JournalSetupException">It names the setting.</exception>
    public static void Verify(Config config)
    {
        foreach (var (path, value, why) in Demands) Demand(config, path, value, why);
        var provider = config.GetString(Plugin + ".provider-name", "");
        if (!provider.StartsWith("SQLite", StringComparison.Ordinal)) return;
        Demand(config, Plugin + ".read-isolation-level", "read-uncommitted", "any other level makes every read take SQLite's write lock");
    }

    private static void Demand(Config config, string path, string value, string why)
    {
        var found = config.GetString(path, "");
        var holds = value == "off" ? found is "off" or "false" or "no" : found == value;
        if (!holds) throw new JournalSetupException($"{path} must be \"{value}\", not \"{found}\": {why}.");
    }

    private static string OwnText()
    {
        using var stream = typeof(JournalConfig).Assembly.GetManifestResourceStream(Resource)
            ?? throw new JournalSetupException($"The program lacks its part {Resource}.");
        using var reader = new StreamReader(stream, Encoding.UTF8);
        return reader.ReadToEnd();
    }

    internal static string Quote(string text) => $"\"{text.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal)}\"";
}
