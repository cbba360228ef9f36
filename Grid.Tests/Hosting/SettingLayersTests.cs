using Grid.Node.Hosting;
using Xunit;

namespace Grid.Tests.Hosting;

public sealed class SettingLayersTests
{
    [Fact]
    public void Defaults_alone_are_a_whole_configuration()
    {
        var settings = SettingsText.Read("");
        Assert.Equal(("127.0.0.1", 7070), (settings.Gateway.Host, settings.Gateway.Port));
        Assert.Equal(("127.0.0.1", 7071), (settings.Admin.Host, settings.Admin.Port));
        Assert.Equal(128, settings.Cluster.Shards);
        Assert.Empty(settings.Cluster.SeedNodes);
        Assert.Equal(8 << 20, settings.Gateway.WindowBytes);
        Assert.Equal(SettingsText.MachineBytes / 2, settings.Memory.LimitBytes);
        Assert.Equal(TimeSpan.FromSeconds(5), settings.Gateway.HelloTimeout);
        Assert.Equal("/base/data", settings.Node.DataDirectory);
        Assert.Equal("/base/data/grid.db", settings.Journal.Path);
        Assert.Equal(256 << 10, settings.Journal.EventTargetBytes);
        Assert.False(settings.Gateway.Echo);
        AkkaConfig.Build(settings);
    }

    [Fact]
    public void Later_layers_win_files_then_environment_then_command_line()
    {
        using var directory = new TempDirectory();
        var first = directory.Write("first.conf", "grid.gateway { port = 1001, window-requests = 11, hello-timeout = 11s, max-connections = 11 }");
        var second = directory.Write("second.conf", "grid.gateway { port = 1002, window-requests = 12, hello-timeout = 12s }");
        var settings = SettingsText.Read(SettingsText.Layers(
            [first, second],
            [("GRID__GATEWAY__PORT", "1003"), ("GRID__GATEWAY__WINDOW_REQUESTS", "13"), ("GRID_SERVICE_PORT", "9"), ("PATH", "x")],
            [("grid.gateway.port", "1004")]));
        Assert.Equal(1004, settings.Gateway.Port);
        Assert.Equal(13, settings.Gateway.WindowRequests);
        Assert.Equal(TimeSpan.FromSeconds(12), settings.Gateway.HelloTimeout);
        Assert.Equal(11, settings.Gateway.MaxConnections);
    }

    [Fact]
    public void Includes_are_found_beside_the_including_file()
    {
        using var directory = new TempDirectory();
        directory.Write("parts/deep/port.conf", "grid.gateway.port = 1234");
        directory.Write("parts/all.conf", "include \"deep/port.conf\"\ngrid.admin.port = 1235");
        var main = directory.Write("main.conf", "include \"parts/all.conf\"\n");
        var settings = SettingsText.Read(SettingsText.Layers([main]));
        Assert.Equal((1234, 1235), (settings.Gateway.Port, settings.Admin.Port));
    }

    [Fact]
    public void Values_from_the_command_line_and_the_environment_need_no_quotes_and_may_be_lists()
    {
        var secret = "Host=db;Password=a\"b\\c{d}#e";
        var settings = SettingsText.Read(SettingsText.Layers(
            environment: [("GRID__JOURNAL__CONNECTION_STRING", secret), ("GRID__JOURNAL__PROVIDER", "PostgreSQL")],
            set: [("grid.cluster.seed-nodes", "[\"a:1\", \"b:2\"]"), ("akka.cluster.gossip-interval", "300ms")]));
        Assert.Equal(secret, settings.Journal.ConnectionString);
        Assert.Equal(["a:1", "b:2"], settings.Cluster.SeedNodes);
        Assert.Equal(TimeSpan.FromMilliseconds(300), AkkaConfig.Build(settings).GetTimeSpan("akka.cluster.gossip-interval"));
        Assert.Equal(["a:1", "b:2"], SettingsText.Read(SettingsText.Layers(
            environment: [("GRID__JOURNAL__CONNECTION_STRING", "x"), ("GRID__JOURNAL__PROVIDER", "postgresql"), ("GRID__CLUSTER__SEED_NODES", "a:1, b:2")])).Cluster.SeedNodes);
    }

    [Fact]
    public void Every_setting_known_is_read_and_every_setting_read_is_known()
    {
        var layers = SettingLayers.Load("");
        var reader = new SettingReader(layers);
        GridSettingsReader.Read(reader, layers, "/base", SettingsText.MachineBytes);
        Assert.Equal(layers.Known.Order(), reader.Read.Order());
    }

    [Fact]
    public void The_shipped_files_are_accepted()
    {
        foreach (var name in new[] { "sqlite.conf", "test.conf" })
            AkkaConfig.Build(SettingsText.Read(SettingsText.Layers([Path.Combine(Repository.Root, "hocon", name)])));
    }

    [Fact]
    public void The_printed_configuration_names_sources_hides_secrets_and_can_be_read_back()
    {
        using var directory = new TempDirectory();
        var file = directory.Write("db.conf", "grid.journal { provider = postgresql, connection-string = \"Host=db;Password=hunter2\" }\nakka.x.password = hunter3");
        var layers = SettingsText.Layers([file], [("GRID__GATEWAY__PORT", "1003")], [("grid.admin.port", "1004"), ("grid.cluster.seed-nodes", "[\"a:1\"]")]);
        var text = EffectiveConfig.Print(layers);
        Assert.DoesNotContain("hunter", text);
        Assert.Contains("grid.gateway.port = \"1003\"  # environment GRID__GATEWAY__PORT", text);
        Assert.Contains("grid.admin.port = \"1004\"  # --set", text);
        Assert.Contains($"grid.journal.connection-string = \"<redacted>\"  # {file}", text);
        Assert.Contains("grid.cluster.shards = \"128\"  # default", text);
        Assert.Equal(layers.Known.Count, text.Split('\n').Count(line => line.StartsWith("grid.", StringComparison.Ordinal)));
        var again = SettingsText.Read(text);
        Assert.Equal(1003, again.Gateway.Port);
        Assert.Equal(["a:1"], again.Cluster.SeedNodes);
    }
}
