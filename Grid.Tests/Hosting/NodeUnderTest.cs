using System.Diagnostics;
using System.Text.Json;
using Xunit;

namespace Grid.Tests.Hosting;

/// <summary>The node's program as an operator starts it: arguments, output, signals, exit code.</summary>
internal sealed class NodeUnderTest : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);
    private readonly Process _process;
    private readonly Task<string> _errors;
    private readonly List<string> _output = [];
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private NodeUnderTest(string[] arguments, (string Name, string Value)[] environment)
    {
        var start = new ProcessStartInfo("dotnet") { RedirectStandardOutput = true, RedirectStandardError = true };
        start.ArgumentList.Add(Path.Combine(AppContext.BaseDirectory, "Grid.Node.dll"));
        foreach (var argument in arguments) start.ArgumentList.Add(argument);
        foreach (var (name, value) in environment) start.Environment[name] = value;
        _process = new Process { StartInfo = start };
        _process.OutputDataReceived += (_, line) =>
        {
            if (line.Data == null) _ended.TrySetResult();
            else lock (_output) _output.Add(line.Data);
        };
        _process.Start();
        _process.BeginOutputReadLine();
        _errors = _process.StandardError.ReadToEndAsync();
    }

    public string Output
    {
        get
        {
            lock (_output) return string.Join('\n', _output);
        }
    }

    public int DataPort { get; private set; }

    public int AdminPort { get; private set; }

    public int ClusterPort { get; private set; }

    /// <summary>Runs to the end.</summary>
    public static async Task<(int ExitCode, string Output, string Errors)> RunAsync(string[] arguments, params (string Name, string Value)[] environment)
    {
        await using var node = new NodeUnderTest(arguments, environment);
        var exit = await node.WaitAsync();
        return (exit, node.Output, await node._errors);
    }

    /// <summary>Starts a node on free ports and waits until it serves.</summary>
    public static async Task<NodeUnderTest> StartAsync(TempDirectory directory, params string[] arguments)
    {
        var ports = Path.Combine(directory.FullPath, "ports.json");
        File.Delete(ports);
        var node = new NodeUnderTest([.. TestArguments(directory), "--ports-file", ports, .. arguments], []);
        using var patience = new CancellationTokenSource(Patience);
        while (!File.Exists(ports))
        {
            if (node._process.HasExited) Assert.Fail($"the node ended with {await node.WaitAsync()}: {await node._errors}\n{node.Output}");
            await Task.Delay(20, patience.Token);
        }
        using var json = JsonDocument.Parse(await File.ReadAllTextAsync(ports, patience.Token));
        node.DataPort = json.RootElement.GetProperty("data").GetInt32();
        node.AdminPort = json.RootElement.GetProperty("admin").GetInt32();
        node.ClusterPort = json.RootElement.GetProperty("cluster").GetInt32();
        return node;
    }

    public static string[] TestArguments(TempDirectory directory)
    {
        return ["--config", Path.Combine(Repository.Root, "hocon", "test.conf"), "--base-directory", directory.FullPath];
    }

    public async Task<(int Status, string Body)> GetAsync(string path)
    {
        using var http = new HttpClient();
        using var response = await http.GetAsync(new Uri($"http://127.0.0.1:{AdminPort}{path}"));
        return ((int)response.StatusCode, await response.Content.ReadAsStringAsync());
    }

    public void Signal(string name)
    {
        using var kill = Process.Start("kill", ["-" + name, _process.Id.ToString()]);
        kill.WaitForExit();
    }

    public async Task<int> WaitAsync()
    {
        using var patience = new CancellationTokenSource(Patience);
        await _process.WaitForExitAsync(patience.Token);
        await _ended.Task.WaitAsync(patience.Token);
        return _process.ExitCode;
    }

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited) _process.Kill();
        await _process.WaitForExitAsync();
        _process.Dispose();
    }
}
