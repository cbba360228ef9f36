using System.Diagnostics;
using System.Globalization;
using System.Text.Json;
using Grid.Client;
using Xunit.Abstractions;

namespace Grid.Tests.Harness;

/// <summary>The ports a node says it serves on.</summary>
public sealed record NodePorts(int Data, int Admin, int Cluster, int? Nbd = null);

/// <summary>
/// The real node, in a process of its own. It is started with <c>hocon/test.conf</c> on free ports of 127.0.0.1, waited for until it serves,
/// signalled, restarted on the same data, and always cleaned up: by <see cref="DisposeAsync"/>, else by the hook at the exit of the test run.
/// </summary>
public sealed class NodeProcess : IAsyncDisposable
{
    private static readonly HttpClient Http = new() { Timeout = TimeSpan.FromSeconds(10) };
    private readonly TestFolder _folder = new();
    private readonly ITestOutputHelper? _output;
    private NodeSetup _setup;
    private Process? _process;
    private int _starts;

    private NodeProcess(NodeSetup setup, ITestOutputHelper? output)
    {
        _setup = setup;
        _output = output;
        DataDirectory = setup.DataDirectory ?? _folder.Combine("data");
    }

    public LogTail Log { get; } = new();

    public string DataDirectory { get; }

    public NodePorts Ports { get; private set; } = new(0, 0, 0);

    /// <summary>Where it listens.</summary>
    public string Host => _setup.Host;

    public int Pid => Running.Id;

    /// <summary>Whether it has said that it serves.</summary>
    public bool Serves => File.Exists(PortsFile());

    public bool HasExited => Running.HasExited;

    private Process Running => _process ?? throw new InvalidOperationException("the node was never started");

    /// <summary>Starts a node and returns once it serves.</summary>
    public static async Task<NodeProcess> StartAsync(NodeSetup? setup = null, ITestOutputHelper? output = null)
    {
        var node = new NodeProcess(setup ?? NodeSetup.Default, output);
        try
        {
            await node.StartOnceAsync();
            return node;
        }
        catch
        {
            await node.DisposeAsync();
            throw;
        }
    }

    /// <summary>Starts a node that is not expected to serve, and does not wait for it.</summary>
    public static NodeProcess Launch(NodeSetup setup, ITestOutputHelper? output = null)
    {
        var node = new NodeProcess(setup, output);
        node.Launch(node.Log, node.Log);
        return node;
    }

    /// <summary>Starts a node that is expected to refuse to start, and returns what it printed and how it exited.</summary>
    public static async Task<(int ExitCode, string[] Out, string[] Error)> RunToExitAsync(NodeSetup setup, TimeSpan deadline)
    {
        await using var node = new NodeProcess(setup, null);
        var standardOut = new LogTail();
        var standardError = new LogTail();
        node.Launch(standardOut, standardError);
        await node.WaitForExitAsync(deadline);
        return (node.Running.ExitCode, standardOut.Lines(), standardError.Lines());
    }

    public string ConnectionString(string member = "default", string timeout = "30s") =>
        $"grid://{_setup.Host}:{Ports.Data}?member={member}&timeout={timeout}";

    public ValueTask<GridClient> ConnectAsync(string member = "default", string timeout = "30s") =>
        GridClient.ConnectAsync(ConnectionString(member, timeout));

    /// <summary>What the admin port answers: the status code and the body.</summary>
    public async Task<(int Status, string Body)> HttpGetAsync(string path)
    {
        using var answer = await Http.GetAsync(new Uri($"http://{_setup.Host}:{Ports.Admin}{path}"));
        return ((int)answer.StatusCode, await answer.Content.ReadAsStringAsync());
    }

    /// <summary>Posts nothing to the admin port; the status code.</summary>
    public async Task<int> HttpPostAsync(string path)
    {
        using var answer = await Http.PostAsync(new Uri($"http://{_setup.Host}:{Ports.Admin}{path}"), null);
        return (int)answer.StatusCode;
    }

    /// <summary>A metric's value as /metrics shows it, of the first series where it has several; null where there is none.</summary>
    public async Task<double?> MetricAsync(string name)
    {
        var (_, body) = await HttpGetAsync("/metrics");
        var line = body.Split('\n').FirstOrDefault(text => text.StartsWith(name + " ", StringComparison.Ordinal) || text.StartsWith(name + "{", StringComparison.Ordinal));
        var value = line?[(line.LastIndexOf('}') is > 0 and var end ? end + 2 : name.Length + 1)..].Split(' ')[0];
        return value is null ? null : double.Parse(value, CultureInfo.InvariantCulture);
    }

    public long RssBytes() => ReadStatus("VmRSS:");

    public long PeakRssBytes() => ReadStatus("VmHWM:");

    /// <summary>SIGKILL, and waits until the process is gone.</summary>
    public async Task Kill9Async()
    {
        Signals.Send(Pid, Signals.Kill);
        await WaitForExitAsync(TimeSpan.FromSeconds(20));
    }

    /// <summary>SIGTERM, and waits until the process is gone; killed, and a failure, if that takes longer than the deadline.</summary>
    public async Task<int> TerminateAsync(TimeSpan? deadline = null)
    {
        Signals.Send(Pid, Signals.Terminate);
        await WaitForExitAsync(deadline ?? TimeSpan.FromSeconds(40));
        return Running.ExitCode;
    }

    /// <summary>SIGSTOP; returns once every thread of the process stands still.</summary>
    public Task PauseAsync()
    {
        Signals.Send(Pid, Signals.Stop);
        return Eventually.TrueAsync(
            () => Directory.EnumerateDirectories($"/proc/{Pid}/task").All(thread => StateOf(thread) == 'T'), "the node stands still", TimeSpan.FromSeconds(20));
    }

    public void Continue() => Signals.Send(Pid, Signals.Continue);

    /// <summary>Starts the node again on the same data, once it has exited; returns once it serves.</summary>
    public Task RestartAsync(NodeSetup? setup = null)
    {
        if (!HasExited) throw new InvalidOperationException("the node still runs");
        _setup = setup ?? _setup;
        Running.Dispose();
        return StartOnceAsync();
    }

    public async ValueTask DisposeAsync()
    {
        if (_process is not null)
        {
            if (!_process.HasExited)
            {
                Continue();
                Signals.Send(_process.Id, Signals.Kill);
                await WaitForExitAsync(TimeSpan.FromSeconds(20));
            }

            _process.Dispose();
        }

        _output?.WriteLine($"node log, {Log.Count} lines, the last of them:\n{Log.Tail()}");
        _folder.Dispose();
    }

    /// <summary>What the process that has ended ended with.</summary>
    public int ExitCode => Running.ExitCode;

    private async Task StartOnceAsync()
    {
        Launch(Log, Log);
        var ports = PortsFile();
        try
        {
            await Eventually.TrueAsync(() => File.Exists(ports) || HasExited, "the node serves", _setup.StartDeadline);
        }
        catch (TimeoutException e)
        {
            throw new TimeoutException($"{e.Message}\n{Log.Tail()}");
        }

        if (HasExited) throw new InvalidOperationException($"the node exited with {Running.ExitCode} before it served\n{Log.Tail()}");
        var json = await File.ReadAllTextAsync(ports);
        Ports = JsonSerializer.Deserialize<NodePorts>(json, JsonSerializerOptions.Web)
            ?? throw new InvalidOperationException($"the ports file holds '{json}'");
    }

    private string PortsFile() => _folder.Combine($"ports-{_starts}.json");

    private void Launch(LogTail standardOut, LogTail standardError)
    {
        _starts++;
        List<string> arguments =
        [
            "exec", Path.Combine(AppContext.BaseDirectory, "Grid.Node.dll"),
            "--config", Path.Combine(AppContext.BaseDirectory, "hocon", "test.conf"),
            "--ports-file", PortsFile(),
        ];
        var settings = new Dictionary<string, string>
        {
            ["grid.node.data-directory"] = DataDirectory,
            ["grid.gateway.host"] = _setup.Host,
            ["grid.admin.host"] = _setup.Host,
            ["grid.cluster.host"] = _setup.Host,
            ["grid.gateway.port"] = "0",
            ["grid.admin.port"] = "0",
        };
        foreach (var (key, value) in _setup.Settings) settings[key] = value;
        foreach (var (key, value) in settings)
        {
            arguments.Add("--set");
            arguments.Add($"{key}={value}");
        }

        var shell = _setup.ShellPrelude.Length > 0;
        var start = new ProcessStartInfo(shell ? "/bin/bash" : "dotnet")
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            WorkingDirectory = _folder.Path,
        };
        if (shell)
        {
            start.ArgumentList.Add("-c");
            start.ArgumentList.Add($"{_setup.ShellPrelude}; exec \"$@\"");
            start.ArgumentList.Add("node");
            start.ArgumentList.Add("dotnet");
        }

        foreach (var argument in arguments) start.ArgumentList.Add(argument);
        foreach (var (key, value) in _setup.Environment) start.Environment[key] = value;
        var process = new Process { StartInfo = start };
        process.OutputDataReceived += (_, e) => AddLine(standardOut, e.Data);
        process.ErrorDataReceived += (_, e) => AddLine(standardError, e.Data);
        process.Start();
        OwnedProcesses.Add(process.Id);
        _process = process;
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
    }

    private static void AddLine(LogTail log, string? line)
    {
        if (line is not null) log.Add(line);
    }

    private async Task WaitForExitAsync(TimeSpan deadline)
    {
        using var timeout = new CancellationTokenSource(deadline);
        try
        {
            await Running.WaitForExitAsync(timeout.Token);
        }
        catch (OperationCanceledException)
        {
            Signals.Send(Running.Id, Signals.Kill);
            throw new TimeoutException($"the node did not exit within {deadline.TotalSeconds:0} s\n{Log.Tail()}");
        }

        OwnedProcesses.Remove(Running.Id);
    }

    /// <summary>What follows the name in a thread's stat; the name may hold spaces and parentheses.</summary>
    private static char StateOf(string thread)
    {
        var stat = File.ReadAllText(Path.Combine(thread, "stat"));
        return stat[stat.LastIndexOf(')') + 2];
    }

    private long ReadStatus(string key)
    {
        foreach (var line in File.ReadLines($"/proc/{Pid}/status"))
        {
            if (!line.StartsWith(key, StringComparison.Ordinal)) continue;
            var kibibytes = line[key.Length..].Trim().Split(' ')[0];
            return long.Parse(kibibytes, CultureInfo.InvariantCulture) * 1024;
        }

        throw new InvalidOperationException($"/proc/{Pid}/status has no {key}");
    }
}
