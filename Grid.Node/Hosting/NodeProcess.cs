using System.Collections;
using System.Text.Json;
using Grid.Node.Admin;
using Grid.Node.Journal;
using Microsoft.Extensions.Logging;

namespace Grid.Node.Hosting;

/// <summary>The process: arguments, settings, start, wait, graceful stop, exit code.</summary>
internal sealed class NodeProcess(GridSettings settings, string? portsFile, ILoggerFactory loggers, StopSignals signals)
{
    private readonly ILogger _log = loggers.CreateLogger("Grid");
    private readonly Readiness _readiness = new();

    /// <summary>Runs a node as the arguments say.</summary>
    /// <returns>The exit code.</returns>
    public static async Task<int> RunAsync(string[] args)
    {
        try
        {
            var command = NodeCommandLine.Parse(args);
            if (command.PrintHelp) return Print(NodeCommandLine.Help);
            if (command.PrintVersion) return Print($"grid node {ProgramVersion.Text}");
            if (command.PrintSchema is { } provider) return Print(JournalSchema.Script(provider));
            var layers = SettingLayers.Load(command.Files, EnvironmentVariables(), command.Overrides);
            var settings = GridSettingsReader.Read(layers, command.BaseDirectory);
            var akka = AkkaConfig.Build(settings);
            if (command.PrintConfig) return Print(EffectiveConfig.Print(layers));

            using var signals = new StopSignals();
            if (command.VerifyPool is { } pool) return await VerifyMode.RunAsync(settings, command.Tenant, pool, Console.Out, signals.Stop);
            ClusterTls.Check(akka, Environment.GetEnvironmentVariable);
            using var loggers = NodeLog.Create(settings.Log);
            return await new NodeProcess(settings, command.PortsFile, loggers, signals).RunLoggedAsync();
        }
        catch (StartupException e)
        {
            await Console.Error.WriteLineAsync($"grid node: {e.Message.ReplaceLineEndings(" ")}");
            return e.ExitCode;
        }
    }

    private async Task<int> RunLoggedAsync()
    {
        try
        {
            return await RunAsync();
        }
        catch (Exception e) when (e is not StartupException)
        {
            _log.LogCritical(e, "The node failed");
            return ExitCodes.Failure;
        }
    }

    private async Task<int> RunAsync()
    {
        using var directory = DataDirectory.Open(settings.Node.DataDirectory);
        using var metrics = new GridMetrics();
        var node = new GridNode(settings, _readiness, metrics, loggers);
        metrics.ObserveNode(node);
        if (portsFile != null) File.Delete(portsFile);

        // Listening comes first: a port in use shows at once, and the node must know its data address before it takes part in the cluster.
        await using var admin = await AdminServer.StartAsync(settings, _readiness, metrics, node, loggers, signals.Stop);
        admin.RequestStop = RequestStop;
        await using var data = await DataListener.StartAsync(settings.Gateway, node.OnConnectedAsync, node.CountBuffers, loggers, signals.Stop);
        await using var nbd = await NbdListener.StartAsync(settings.Nbd, node.CountBuffers, loggers, signals.Stop);
        var exit = ExitCodes.Ok;
        try
        {
            exit = await ServeAsync(node, admin, data, nbd);
        }
        catch (OperationCanceledException) when (signals.Stop.IsCancellationRequested)
        {
            _log.LogInformation("Asked to stop before it served");
        }
        finally
        {
            if (!await StopAsync(node, admin, data, nbd)) exit = Math.Max(exit, ExitCodes.Failure);
        }
        if (exit == ExitCodes.Ok) _log.LogInformation("Stopped");
        return exit;
    }

    /// <summary>Serves until a signal asks to stop (0) or the node ends by itself.</summary>
    private async Task<int> ServeAsync(GridNode node, AdminServer admin, DataListener data, NbdListener? nbd)
    {
        var (gateway, journal) = (settings.Gateway, settings.Journal);
        var dataAddress = Binding.Text(gateway.Host, data.Port);
        var publicAddress = gateway.PublicAddress.Length > 0 ? gateway.PublicAddress : dataAddress;
        var adminAddress = Binding.Text(settings.Admin.Host, admin.Port);
        admin.Addresses = new NodeAddresses(dataAddress, publicAddress, adminAddress, "");

        // On every interface it listens where the other nodes reach this one, too.
        var adminHost = GridSettingsReader.IsWildcard(settings.Admin.Host) ? settings.Cluster.Host : settings.Admin.Host;
        var starting = node.StartAsync(publicAddress, Binding.Text(adminHost, admin.Port), signals.Stop);
        await await Task.WhenAny(starting, node.Ended);
        if (!node.Ended.IsCompleted)
        {
            if (nbd != null) await nbd.ServeAsync(Binding.Text(GridSettingsReader.IsWildcard(gateway.Host) ? "localhost" : gateway.Host, data.Port), node.Gateway, node.CountBuffers, signals.Stop);
            admin.Addresses = admin.Addresses with { Cluster = Binding.Text(settings.Cluster.Host, node.ClusterPort) };
            _readiness.Phase = NodePhase.Serving;
            if (portsFile != null) WritePorts(portsFile, data.Port, admin.Port, node.ClusterPort, nbd?.Port);
            await Console.Out.WriteLineAsync(
                $"grid node {settings.Node.Name} serving data on {dataAddress}, admin on http://{adminAddress} (memory limit {settings.Memory.LimitBytes >> 20} MiB, journal {journal}){(nbd == null ? "" : $", NBD on {Binding.Text(settings.Nbd.Host, nbd.Port)}")}");
            await Task.WhenAny(signals.StopRequested, node.Ended);
        }
        if (!node.Ended.IsCompleted) return ExitCodes.Ok;

        var code = await node.Ended;
        if (code == ExitCodes.Downed) _log.LogCritical("The cluster removed this node; whoever runs it should start it again");
        else _log.LogCritical("The node ended by itself; the messages above say why");
        return code;
    }

    private void RequestStop()
    {
        _log.LogInformation("Asked to drain (POST /api/v1/drain)");
        signals.RequestStop();
    }

    /// <summary>Answers what there is, leaves the cluster, ends.</summary>
    /// <returns>Whether it came to an end in time.</returns>
    private async Task<bool> StopAsync(GridNode node, AdminServer admin, DataListener data, NbdListener? nbd)
    {
        _readiness.Phase = NodePhase.Draining;
        using var timeout = CancellationTokenSource.CreateLinkedTokenSource(signals.Hurry);
        timeout.CancelAfter(settings.Stop.Timeout);
        try
        {
            // First, while the node serves: block devices must answer what they were asked, and their clients go to another node.
            if (nbd != null) await nbd.StopAsync(timeout.Token);
            // With others there is somebody to hand over to: clients are served until that is done. Alone there is nobody, so they are told at once.
            if (node.HasPeers) await node.LeaveAsync(timeout.Token);
            else await node.DrainAsync(timeout.Token);
            await data.StopAsync(timeout.Token);
            await node.StopAsync(timeout.Token);
        }
        catch (OperationCanceledException) when (timeout.IsCancellationRequested)
        {
            // Told below.
        }
        await admin.StopAsync(timeout.Token);
        if (!timeout.IsCancellationRequested) return true;
        if (signals.Hurry.IsCancellationRequested) _log.LogWarning("The stop was cut short by a second signal");
        else _log.LogWarning("The stop was cut short after {Timeout} (grid.stop.timeout)", settings.Stop.Timeout);
        return false;
    }

    private static void WritePorts(string path, int data, int admin, int cluster, int? nbd)
    {
        // Renamed into place: a reader sees all of it or nothing.
        var unfinished = $"{path}.{Environment.ProcessId}.tmp";
        File.WriteAllText(unfinished, JsonSerializer.Serialize(new { data, admin, cluster, nbd }));
        File.Move(unfinished, path, overwrite: true);
    }

    private static int Print(string text)
    {
        Console.Out.WriteLine(text.TrimEnd());
        return ExitCodes.Ok;
    }

    private static IEnumerable<KeyValuePair<string, string>> EnvironmentVariables()
    {
        return Environment.GetEnvironmentVariables().Cast<DictionaryEntry>().Select(entry => KeyValuePair.Create((string)entry.Key, (string?)entry.Value ?? ""));
    }
}
