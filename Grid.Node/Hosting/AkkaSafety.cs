namespace Grid.Node.Hosting;

/// <summary>
/// Overrides of Akka's settings are welcome, except where the Grid's promises rest on them: those are refused by name.
/// </summary>
internal static class AkkaSafety
{
    private sealed record Rule(string Pattern, string[]? Allowed, string Why);

    private static readonly string[] Off = ["off", "false", "no"];

    // First match wins; no list of allowed values: any duration. "*" is one part of a name, "**" any number of parts.
    private static readonly Rule[] Rules =
    [
        new("akka.actor.provider", ["cluster"], "a node is a cluster of one at least"),
        new("akka.**.replay-filter.mode", ["off"], "any other mode drops acknowledged events when an object returns to a node that wrote it before"),
        new("akka.**.auto-initialize", Off, "the schema and its unique key come from the node's own script and are checked at start"),
        new("akka.persistence.journal.plugin", [], "set grid.journal.provider"),
        new("akka.persistence.**.connection-string", [], "set grid.journal.path or grid.journal.connection-string"),
        new("akka.persistence.**.provider-name", [], "set grid.journal.provider"),
        new("akka.persistence.**.read-isolation-level", ["read-uncommitted"], "on SQLite any other level makes every read take the write lock"),
        new("akka.persistence.**.table-mapping", ["default"], "the node's own reads know the default tables"),
        new("akka.persistence.**.delete-compatibility-mode", Off, "the node's own reads know the default tables"),
        new("akka.cluster.seed-nodes", [], "set grid.cluster.seed-nodes"),
        new("akka.cluster.allow-weakly-up-members", Off, "the serving lease counts on every majority knowing the same members"),
        new("akka.cluster.min-nr-of-members", ["1"], "a larger one blocks every shard after the coordinator is lost"),
        new("akka.cluster.downing-provider-class", ["Akka.Cluster.SBR.SplitBrainResolverProvider, Akka.Cluster"], "only a majority may serve"),
        new("akka.cluster.auto-down-unreachable-after", Off, "downing by timeout makes two owners of one object"),
        new("akka.cluster.split-brain-resolver.active-strategy", ["keep-majority"], "the serving lease counts on a majority"),
        new("akka.cluster.split-brain-resolver.keep-majority.role", [""], "the serving lease counts on a majority of all nodes"),
        new("akka.cluster.split-brain-resolver.down-all-when-unstable", null, "off never ends an unstable partition, on is 8 s: two crashes in a row would down all"),
        new("akka.cluster.sharding.state-store-mode", ["ddata"], "a coordinator that waits for the journal cannot start without it"),
        new("akka.cluster.sharding.remember-entities", Off, "objects come back on demand"),
        new("akka.cluster.sharding.passivate-idle-entity-after", Off, "objects leave memory by grid.objects.passivate-after, never with requests waiting"),
        new("akka.cluster.sharding.distributed-data.durable.keys", [""], "shard homes must not outlive the cluster"),
        new("akka.cluster.sharding.coordinator-state.write-majority-plus", ["0"], "larger ones wait for unreachable nodes"),
        new("akka.cluster.sharding.coordinator-state.read-majority-plus", ["5"], "reading all nodes keeps a minority harmless"),
        new("akka.cluster.sharding.number-of-shards", [], "set grid.cluster.shards"),
        new("akka.remote.dot-netty.tcp.hostname", [], "set grid.cluster.bind-host"),
        new("akka.remote.dot-netty.tcp.public-hostname", [], "set grid.cluster.host"),
        new("akka.remote.dot-netty.tcp.port", [], "set grid.cluster.port"),
        new("akka.remote.dot-netty.tcp.public-port", [], "set grid.cluster.port"),
        new("akka.remote.dot-netty.tcp.ssl.suppress-validation", Off, "certificates that nobody checks keep nobody out"),
        new("akka.remote.dot-netty.tcp.ssl.require-mutual-authentication", ["true", "on", "yes"], "whoever connects must show a certificate too"),
        new("akka.coordinated-shutdown.exit-clr", Off, "the node ends its process itself, with an exit code that tells why"),
        new("akka.coordinated-shutdown.run-by-clr-shutdown-hook", Off, "the node stops its parts in its own order"),
        new("akka.coordinated-shutdown.run-by-actor-system-terminate", ["on", "true", "yes"], "a node must leave the cluster before it ends"),
        new("akka.coordinated-shutdown.terminate-actor-system", ["on", "true", "yes"], "a node that left must not go on"),
        new("akka.loggers", [], "set grid.log.level"),
        new("akka.loglevel", [], "set grid.log.akka-level"),
    ];

    /// <summary>Refuses the first override that would break a promise.</summary>
    /// <exception cref="StartupException">It names the setting, its source and why.</exception>
    public static void Check(IEnumerable<SettingValue> overrides)
    {
        foreach (var value in overrides)
        {
            var rule = Array.Find(Rules, candidate => Matches(candidate.Pattern.Split('.'), value.Path.Split('.')));
            if (rule == null || IsAllowed(rule, value)) continue;
            var shown = Secrets.IsSecret(value.Path) ? Secrets.Redacted : $"\"{value.Text}\"";
            var allowed = rule.Allowed is { Length: > 0 } ? $" other than \"{rule.Allowed[0]}\"" : "";
            throw StartupException.Setting($"{value.Path} = {shown} ({value.Source}) must not be set{allowed}: {rule.Why}");
        }
    }

    private static bool IsAllowed(Rule rule, SettingValue value)
    {
        if (rule.Allowed != null) return rule.Allowed.Contains(value.Text, StringComparer.OrdinalIgnoreCase);
        return SettingReader.TryDuration(value.Text, out _);
    }

    private static bool Matches(ReadOnlySpan<string> pattern, ReadOnlySpan<string> path)
    {
        if (pattern.IsEmpty) return path.IsEmpty;
        if (pattern[0] == "**")
        {
            for (var skip = 0; skip <= path.Length; skip++)
                if (Matches(pattern[1..], path[skip..])) return true;
            return false;
        }
        return !path.IsEmpty && (pattern[0] == "*" || pattern[0] == path[0]) && Matches(pattern[1..], path[1..]);
    }
}
