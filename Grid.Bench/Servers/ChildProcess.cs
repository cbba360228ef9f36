using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace Grid.Bench.Servers;

/// <summary>A server that the benchmark started and ends again.</summary>
internal sealed partial class ChildProcess : IAsyncDisposable
{
    private const int KeptLines = 20;
    private static readonly ConcurrentDictionary<int, ChildProcess> Running = new();
    private readonly Process _process;
    private readonly ConcurrentQueue<string> _lines = new();
    private readonly string _name;

    private ChildProcess(string name, Process process) => (_name, _process) = (name, process);

    /// <summary>Whether it ended.</summary>
    public bool Ended => _process.HasExited;

    /// <summary>Its process id.</summary>
    public int ProcessId => _process.Id;

    /// <summary>The last lines that it wrote.</summary>
    public string Said => string.Join(" | ", _lines);

    /// <summary>Starts a program. Its input stays open as long as this process lives.</summary>
    /// <param name="name">What it is called in messages.</param>
    /// <param name="program">The program.</param>
    /// <param name="arguments">Its arguments.</param>
    /// <param name="environment">What is added to its environment.</param>
    public static ChildProcess Start(string name, string program, IEnumerable<string> arguments, IReadOnlyDictionary<string, string>? environment = null)
    {
        var start = new ProcessStartInfo(program, arguments) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (var (key, value) in environment ?? new Dictionary<string, string>()) start.Environment[key] = value;
        var process = new Process { StartInfo = start };
        var child = new ChildProcess(name, process);
        process.OutputDataReceived += (_, line) => child.Keep(line.Data);
        process.ErrorDataReceived += (_, line) => child.Keep(line.Data);
        try
        {
            process.Start();
        }
        catch (System.ComponentModel.Win32Exception e)
        {
            throw new BenchException($"cannot start {name} ({program}): {e.Message}");
        }

        Running[process.Id] = child;
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        return child;
    }

    /// <summary>Ends whatever still runs.</summary>
    public static void KillAll()
    {
        foreach (var child in Running.Values) child.Kill();
    }

    /// <summary>How this runtime starts a program of ours.</summary>
    public static string DotNet { get; } =
        Path.GetFileNameWithoutExtension(Environment.ProcessPath) == "dotnet" ? Environment.ProcessPath! : Environment.GetEnvironmentVariable("DOTNET_HOST_PATH") ?? "dotnet";

    /// <summary>A port on loopback that is free now.</summary>
    public static int FreePort()
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        return ((IPEndPoint)socket.LocalEndPoint!).Port;
    }

    /// <summary>Waits until it serves.</summary>
    /// <param name="serves">Asked again and again.</param>
    /// <param name="limit">How long.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <exception cref="BenchException">It ended, or does not serve in time.</exception>
    public async Task WaitAsync(Func<CancellationToken, Task<bool>> serves, TimeSpan limit, CancellationToken cancellation)
    {
        var start = Stopwatch.GetTimestamp();
        while (!await serves(cancellation))
        {
            if (Ended) throw new BenchException($"{_name} ended with code {_process.ExitCode}: {Said}");
            if (Stopwatch.GetElapsedTime(start) > limit) throw new BenchException($"{_name} does not serve after {limit.TotalSeconds:0} s: {Said}");
            await Task.Delay(10, cancellation);
        }
    }

    /// <summary>Whether something listens on a loopback port.</summary>
    /// <param name="port">The port.</param>
    /// <param name="cancellation">Gives up.</param>
    public static async Task<bool> ListensAsync(int port, CancellationToken cancellation)
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            await socket.ConnectAsync(new IPEndPoint(IPAddress.Loopback, port), cancellation);
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }

    /// <summary>Asks it to end (SIGTERM) and waits until it has.</summary>
    /// <param name="limit">How long.</param>
    /// <returns>Its exit code.</returns>
    /// <exception cref="BenchException">It runs on.</exception>
    public Task<int> TerminateAsync(TimeSpan limit)
    {
        const int Terminate = 15;
        if (kill(_process.Id, Terminate) != 0) throw new BenchException($"{_name} cannot be told to end (errno {Marshal.GetLastPInvokeError()})");
        return EndAsync(limit);
    }

    /// <summary>Ends its input and waits until it has ended.</summary>
    /// <param name="limit">How long.</param>
    /// <returns>The last line that it wrote.</returns>
    /// <exception cref="BenchException">It runs on, or failed.</exception>
    public async Task<string> FinishAsync(TimeSpan limit)
    {
        _process.StandardInput.Close();
        var code = await EndAsync(limit);
        if (code != 0 || _lines.IsEmpty) throw new BenchException($"{_name} ended with code {code}: {Said}");
        return _lines.Last();
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        Kill();
        await _process.WaitForExitAsync(CancellationToken.None);
        _process.Dispose();
    }

    /// <summary>Writes a line to its input and waits for the line that it answers.</summary>
    /// <param name="line">The line.</param>
    /// <param name="limit">How long.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <exception cref="BenchException">It says nothing.</exception>
    public async Task<string> AskAsync(string line, TimeSpan limit, CancellationToken cancellation)
    {
        _lines.Clear();
        await _process.StandardInput.WriteLineAsync(line.AsMemory(), cancellation);
        await _process.StandardInput.FlushAsync(cancellation);
        await WaitAsync(_ => Task.FromResult(!_lines.IsEmpty), limit, cancellation);
        return _lines.Last();
    }

    private async Task<int> EndAsync(TimeSpan limit)
    {
        try
        {
            await _process.WaitForExitAsync(CancellationToken.None).WaitAsync(limit);
        }
        catch (TimeoutException)
        {
            throw new BenchException($"{_name} has not ended after {limit.TotalSeconds:0} s: {Said}");
        }

        return _process.ExitCode;
    }

    [LibraryImport("libc", SetLastError = true)]
    private static partial int kill(int pid, int signal);

    private void Kill()
    {
        if (Running.TryRemove(_process.Id, out _) && !_process.HasExited) _process.Kill();
    }

    private void Keep(string? line)
    {
        if (string.IsNullOrWhiteSpace(line)) return;
        _lines.Enqueue(line.Trim());
        if (_lines.Count > KeptLines) _lines.TryDequeue(out _);
    }
}
