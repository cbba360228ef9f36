using Grid.Node.Hosting;
using Xunit;

namespace Grid.Tests.Hosting;

public sealed class SettingRefusalTests
{
    [Theory]
    [InlineData("grid.gateway.prot = 1", "grid.gateway.prot", "grid.gateway.port")]
    [InlineData("grid.gatway.port = 1", "grid.gatway.port", "grid.gateway.port")]
    [InlineData("grid.journal.conection-string = x", "grid.journal.conection-string", "grid.journal.connection-string")]
    [InlineData("grid.port = 1", "grid.port", ".port")]
    [InlineData("grid.new { section { here = 1 } }", "grid.new.section.here", "grid.")]
    [InlineData("grid.gatewya { }", "grid.gatewya", "grid.gateway")]
    [InlineData("gird.gateway.port = 1", "gird.gateway.port", "grid")]
    [InlineData("grid.gateway = 5", "grid.gateway", "section")]
    [InlineData("grid.gateway.port.number = 5", "grid.gateway.port", "number")]
    public void An_unknown_setting_is_refused_by_its_full_name_with_the_nearest_known_one(string hocon, string name, string hint)
    {
        var message = SettingsText.Refused(hocon).Message;
        Assert.Contains(name, message);
        Assert.Contains(hint, message);
    }

    [Theory]
    [InlineData("grid.gateway.port = x", "grid.gateway.port")]
    [InlineData("grid.gateway.port = 65536", "grid.gateway.port")]
    [InlineData("grid.gateway.port = -1", "grid.gateway.port")]
    [InlineData("grid.gateway.port = 7.5", "grid.gateway.port")]
    [InlineData("grid.gateway.port = [1, 2]", "grid.gateway.port")]
    [InlineData("grid.gateway.port = []", "grid.gateway.port")]
    [InlineData("grid.gateway.port = {}", "grid.gateway.port")]
    [InlineData("grid.gateway.host = \"not a host\"", "grid.gateway.host")]
    [InlineData("grid.gateway.host = \"\"", "grid.gateway.host")]
    [InlineData("grid.gateway.public-address = \"nowhere\"", "grid.gateway.public-address")]
    [InlineData("grid.gateway.public-address = \"::1:7070\"", "grid.gateway.public-address")]
    [InlineData("grid.gateway.max-connections = 0", "grid.gateway.max-connections")]
    [InlineData("grid.gateway.window-requests = 0", "grid.gateway.window-requests")]
    [InlineData("grid.cluster.formation.service = \"nodes\"", "grid.cluster.formation.contacts")]
    [InlineData("grid.cluster.formation { service = \"10.0.0.1\", contacts = 2 }", "grid.cluster.formation.service")]
    [InlineData("grid.cluster.formation { service = \"nodes\", contacts = 2 }", "grid.cluster.formation.service")]
    [InlineData("grid.cluster { seed-nodes = [\"a:1\", \"b:1\", \"c:1\", \"d:1\"], formation.contacts = 2 }", "grid.cluster.formation.contacts")]
    [InlineData("grid.cluster { seed-nodes = [\"a:1\", \"b:1\"], formation.contacts = 3 }", "grid.cluster.formation.contacts")]
    [InlineData("grid.cluster.seed-nodes = [\"a:1\", \"a:1\"]", "grid.cluster.seed-nodes")]
    [InlineData("grid.cluster.formation.stable = 100ms", "grid.cluster.formation.stable")]
    [InlineData("grid.cluster.lease.duration = 100ms", "grid.cluster.lease.duration")]
    [InlineData("grid.cluster.lease.duration = 1s", "grid.cluster.lease.ping-interval")]
    [InlineData("grid.cluster.lease.ping-interval = 1s", "grid.cluster.lease.ping-interval")]
    [InlineData("grid.cluster.lease.duration = 10s", "grid.cluster.lease.drift")]
    [InlineData("grid.cluster.hand-off.time = 6m", "grid.cluster.hand-off.time")]
    [InlineData("grid.cluster.hand-off.pull-timeout = 10ms", "grid.cluster.hand-off.pull-timeout")]
    [InlineData("grid.gateway.window-bytes = 1MiB", "grid.gateway.window-bytes")]
    [InlineData("grid.gateway.window-bytes = 8MX", "grid.gateway.window-bytes")]
    [InlineData("grid.gateway.window-bytes = 99999999999999999999TiB", "grid.gateway.window-bytes")]
    [InlineData("grid.gateway.hello-timeout = 5", "grid.gateway.hello-timeout")]
    [InlineData("grid.gateway.hello-timeout = 1ms", "grid.gateway.hello-timeout")]
    [InlineData("grid.gateway.hello-timeout = 2h", "grid.gateway.hello-timeout")]
    [InlineData("grid.gateway.echo = maybe", "grid.gateway.echo")]
    [InlineData("grid.node.name = \"two words\"", "grid.node.name")]
    [InlineData("grid.node.data-directory = \"\"", "grid.node.data-directory")]
    [InlineData("grid.cluster.name = \"a.b\"", "grid.cluster.name")]
    [InlineData("grid.cluster.bind-host = \"not a host\"", "grid.cluster.bind-host")]
    [InlineData("grid.cluster.shards = 0", "grid.cluster.shards")]
    [InlineData("grid.cluster.seed-nodes = [\"a\"]", "grid.cluster.seed-nodes")]
    [InlineData("grid.memory.limit = 63MiB", "grid.memory.limit")]
    [InlineData("grid.memory.limit = \"0%\"", "grid.memory.limit")]
    [InlineData("grid.memory.limit = \"0.1%\"", "grid.memory.limit")]
    [InlineData("grid.memory.limit = \"101%\"", "grid.memory.limit")]
    [InlineData("grid.memory.limit = 9GiB", "grid.memory.limit")]
    [InlineData("grid.memory.limit = lots", "grid.memory.limit")]
    [InlineData("grid.journal.provider = mysql", "grid.journal.provider")]
    [InlineData("grid.journal.event-target = 2MiB", "grid.journal.event-target")]
    [InlineData("grid.log.level = loud", "grid.log.level")]
    [InlineData("grid.log.level = none", "grid.log.level")]
    [InlineData("grid.nbd.enabled = maybe", "grid.nbd.enabled")]
    [InlineData("grid.nbd.port = 65536", "grid.nbd.port")]
    [InlineData("grid.nbd.request-timeout = 100ms", "grid.nbd.request-timeout")]
    [InlineData("grid.nbd.buffers = 1MiB", "grid.nbd.buffers")]
    [InlineData("grid.nbd.tls.key-file = key.pem", "grid.nbd.tls.certificate-file")]
    [InlineData("grid.stop.timeout = 10ms", "grid.stop.timeout")]
    public void A_value_of_the_wrong_type_or_out_of_range_is_refused_by_name(string hocon, string name)
    {
        Assert.StartsWith(name, SettingsText.Refused(hocon).Message);
    }

    [Theory]
    [InlineData("grid.gateway.port = 7071", "grid.admin.port", "grid.gateway.port")]
    [InlineData("grid.admin { host = \"0.0.0.0\", port = 7070 }", "grid.admin.port", "grid.gateway.port")]
    [InlineData("grid.cluster.port = 7071", "grid.cluster.port", "grid.admin.port")]
    [InlineData("grid.nbd { enabled = on, port = 7070 }", "grid.nbd.port", "grid.gateway.port")]
    [InlineData("grid.cluster { host = node, bind-host = \"0.0.0.0\", port = 7071 }", "grid.cluster.port", "grid.admin.port")]
    [InlineData("grid.gateway.host = \"0.0.0.0\"", "grid.gateway.public-address", "grid.gateway.host")]
    [InlineData("grid.cluster.host = \"0.0.0.0\"", "grid.cluster.host", "address")]
    [InlineData("grid.journal.provider = postgresql", "grid.journal.connection-string", "postgresql")]
    [InlineData("grid.journal.connection-string = \"Host=db;Password=hunter2\"", "grid.journal.connection-string", "sqlite")]
    [InlineData("grid.cluster.seed-nodes = [\"other:7072\"]", "grid.cluster.seed-nodes", "sqlite")]
    [InlineData("grid.journal.path = \".\"", "grid.journal.path", "file")]
    [InlineData("grid.stop.timeout = 20s", "grid.stop.timeout", "cluster-sharding-shutdown-region.timeout")]
    [InlineData("akka.cluster.sharding.handoff-timeout = 30s", "cluster-sharding-shutdown-region.timeout", "handoff-timeout")]
    public void Settings_that_contradict_each_other_are_refused_by_both_names(string hocon, string name, string other)
    {
        var message = SettingsText.Refused(hocon).Message;
        Assert.Contains(name, message);
        Assert.Contains(other, message);
        Assert.DoesNotContain("hunter", message);
    }

    [Theory]
    [InlineData("akka.persistence.journal-plugin-fallback.replay-filter.mode = repair-by-discard-old")]
    [InlineData("akka.persistence.journal.sql.replay-filter.mode = warn")]
    [InlineData("akka.persistence.journal.sql.auto-initialize = true")]
    [InlineData("akka.persistence.journal.sql.connection-string = \"Password=hunter2\"")]
    [InlineData("akka.persistence.journal.plugin = akka.persistence.journal.inmem")]
    [InlineData("akka.cluster.sharding.remember-entities = on")]
    [InlineData("akka.cluster.sharding.state-store-mode = persistence")]
    [InlineData("akka.cluster.sharding.passivate-idle-entity-after = 120s")]
    [InlineData("akka.cluster.sharding.distributed-data.durable.keys = [\"shard-*\"]")]
    [InlineData("akka.cluster.sharding.coordinator-state.write-majority-plus = 3")]
    [InlineData("akka.cluster.sharding.coordinator-state.read-majority-plus = 1")]
    [InlineData("akka.cluster.sharding.number-of-shards = 10")]
    [InlineData("akka.cluster.min-nr-of-members = 3")]
    [InlineData("akka.cluster.downing-provider-class = \"\"")]
    [InlineData("akka.cluster.split-brain-resolver.active-strategy = keep-oldest")]
    [InlineData("akka.cluster.split-brain-resolver.down-all-when-unstable = on")]
    [InlineData("akka.cluster.seed-nodes = [\"akka.tcp://grid@a:1\"]")]
    [InlineData("akka.remote.dot-netty.tcp.ssl.suppress-validation = true")]
    [InlineData("akka.remote.dot-netty.tcp.ssl.require-mutual-authentication = false")]
    [InlineData("akka.remote.dot-netty.tcp.port = 2551")]
    [InlineData("akka.remote.dot-netty.tcp.hostname = a")]
    [InlineData("akka.actor.provider = remote")]
    [InlineData("akka.coordinated-shutdown.exit-clr = on")]
    [InlineData("akka.coordinated-shutdown.run-by-clr-shutdown-hook = on")]
    public void An_override_of_Akka_that_breaks_a_promise_is_refused_by_name(string hocon)
    {
        var message = SettingsText.Refused(hocon).Message;
        Assert.StartsWith(hocon.Split(" = ")[0], message);
        Assert.DoesNotContain("hunter", message);
    }

    [Fact]
    public void Other_overrides_of_Akka_reach_it()
    {
        var config = AkkaConfig.Build(SettingsText.Read("akka.cluster.split-brain-resolver { stable-after = 7s, down-all-when-unstable = 15s }"));
        Assert.Equal(TimeSpan.FromSeconds(7), config.GetTimeSpan("akka.cluster.split-brain-resolver.stable-after"));
        Assert.Equal("keep-majority", config.GetString("akka.cluster.split-brain-resolver.active-strategy"));
    }

    [Theory]
    [InlineData("grid {\n gateway {\n port = 1\n", "line 2")]
    [InlineData("grid.gateway.port = 1 }", "line 1")]
    [InlineData("grid.node.name = \"abc\n", "line 1")]
    [InlineData("grid.node.name = ${?HOME}", "GRID__")]
    [InlineData("grid.node.name = ${nowhere.to.be.found}", "nowhere")]
    [InlineData("grid.node.name = ", "grid.node.name")]
    [InlineData("include \"x.conf\"", "include")]
    public void Text_that_is_not_HOCON_is_refused_with_its_place(string hocon, string place)
    {
        Assert.Contains(place, SettingsText.Refused(hocon).Message);
    }

    [Fact]
    public void A_file_that_is_missing_or_includes_itself_is_named()
    {
        using var directory = new TempDirectory();
        var missing = Path.Combine(directory.FullPath, "missing.conf");
        Assert.Contains(missing, Assert.Throws<StartupException>(() => SettingsText.Layers([missing])).Message);
        var loop = directory.Write("loop.conf", "include \"loop.conf\"");
        Assert.Contains("loop.conf", Assert.Throws<StartupException>(() => SettingsText.Layers([loop])).Message);
    }

    [Fact]
    public void A_refusal_names_where_the_value_comes_from()
    {
        using var directory = new TempDirectory();
        var file = directory.Write("my.conf", "grid.gateway.port = x");
        Assert.Contains("my.conf", Assert.Throws<StartupException>(() => SettingsText.Read(SettingsText.Layers([file]))).Message);
        Assert.Contains("GRID__GATEWAY__PORTS", Assert.Throws<StartupException>(() => SettingsText.Layers(environment: [("GRID__GATEWAY__PORTS", "1")])).Message);
        Assert.Contains("--set", Assert.Throws<StartupException>(() => SettingsText.Layers(set: [("grid.gateway.ports", "1")])).Message);
        Assert.Contains("a{b", Assert.Throws<StartupException>(() => SettingsText.Layers(set: [("a{b", "1")])).Message);
    }

    [Theory]
    [InlineData("--conifg", "--config")]
    [InlineData("--config", "value")]
    [InlineData("--set", "value")]
    [InlineData("--print-config=yes", "--print-config")]
    [InlineData("start", "--help")]
    public void A_wrong_argument_is_refused_with_a_hint(string argument, string hint)
    {
        var refusal = Assert.Throws<StartupException>(() => NodeCommandLine.Parse([argument]));
        Assert.Equal(ExitCodes.BadSettings, refusal.ExitCode);
        Assert.Contains(hint, refusal.Message);
    }
}
