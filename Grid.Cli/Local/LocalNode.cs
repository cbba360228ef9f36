using System.Diagnostics;
using System.Globalization;

namespace Grid.Cli.Local;

/// <summary>One node's process on this machine. Its output goes to a file; its last lines are at hand for an error.</summary>
internal sealed class LocalNode : IDisposable
{
    private const int TailLines = 5;
    private readonly IReadOnlyList<string> _arguments;
    private readonly string _connectionString;
    private readonly Queue<string> _tail = [];
    private readonly Lock _lock = new();
    private Process? _process;
    private TaskCompletionSource _serving = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>A node that does not run yet.</summary>
    /// <param name="number">1, 2, 3 …</param>
    /// <param name="address">The loopback address it listens on.</param>
    /// <param name="log">The file its output goes to.</param>
    /// <param name="arguments">Its command line.</param>
    /// <param name="connectionString">Its journal's; given in the environment, where no list of processes shows it.</param>
    public LocalNode(int number, string address, string log, IReadOnlyList<string> arguments, string connectionString)
    {
        (Number, Address, LogFile, _arguments, _connectionString) = (number, address, log, arguments, connectionString);
    }

    /// <summary>1, 2, 3 …</summary>
    public int Number { get; }

    /// <summary>Its name in the cluster.</summary>
    public string Name => NameOf(Number);

    /// <summary>The address it listens on.</summary>
    public string Address { get; }

    /// <summary>Where its output goes.</summary>
    public string LogFile { get; }

    /// <summary>Where clients connect.</summary>
    public string DataAddress => $"{Address}:{LocalCluster.DataPort}";

    /// <summary>Its HTTP for operators.</summary>
    public Uri Admin => new(string.Create(CultureInfo.InvariantCulture, $"http://{Address}:{LocalCluster.AdminPort}"));

    /// <summary>Its process id.</summary>
    public int Pid => Running.Id;

    /// <summary>Whether it does not run.</summary>
    public bool HasExited => _process?.HasExited ?? true;

    private Process Running => _process ?? throw new InvalidOperationException($"{Name} was never started");

    /// <summary>The name of a node by its number.</summary>
    public static string NameOf(int number) => string.Create(CultureInfo.InvariantCulture, $"node-{number}");

    /// <summary>Starts it; returns when it serves.</summary>
    /// <exception cref="CliException">It ended before.</exception>
    public async Task StartAsync(CancellationToken cancellation)
    {
        Launch();
        var ended = Running.WaitForExitAsync(cancellation);
        await await Task.WhenAny(_serving.Task.WaitAsync(cancellation), ended);
        if (_serving.Task.IsCompleted) return;
        throw CliException.Failed($"{Name} ended with {ExitWords()} before it served: {Tail()} (its log: {LogFile})");
    }

    /// <summary>Completes with words for how it ended.</summary>
    public async Task<string> EndAsync(CancellationToken cancellation)
    {
        await Running.WaitForExitAsync(cancellation);
        return ExitWords();
    }

    /// <summary>Its exit code, once it has ended.</summary>
    public int ExitCode => Running.ExitCode;

    /// <summary>SIGTERM: asks for a graceful stop; a second one hurries it.</summary>
    public void Terminate()
    {
        if (_process is { } process) ProcessSignals.Terminate(process);
    }

    /// <summary>SIGKILL.</summary>
    public void Kill()
    {
        if (_process is { } process) ProcessSignals.Kill(process);
    }

    /// <inheritdoc/>
    public void Dispose() => _process?.Dispose();

    private void Launch()
    {
        _process?.Dispose();
        _serving = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var start = NodeProgram.Command(_arguments);
        start.Environment["GRID__JOURNAL__CONNECTION_STRING"] = _connectionString;
        var process = new Process { StartInfo = start };
        // Two streams write to it; whatever ends this process leaves what was written so far.
        var log = TextWriter.Synchronized(new StreamWriter(LogFile, append: true) { AutoFlush = true });
        var streams = 2;
        void OnLine(string? line)
        {
            if (line is not null) Take(log, line);
            else if (Interlocked.Decrement(ref streams) == 0) log.Dispose();
        }

        process.OutputDataReceived += (_, e) => OnLine(e.Data);
        process.ErrorDataReceived += (_, e) => OnLine(e.Data);
        process.Start();
        process.StandardInput.Close();
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        _process = process;
    }

    private void Take(TextWriter log, string line)
    {
        log.WriteLine(line);
        lock (_lock)
        {
            _tail.Enqueue(line);
            if (_tail.Count > TailLines) _tail.Dequeue();
        }

        if (line.StartsWith($"grid node {Name} serving ", StringComparison.Ordinal)) _serving.TrySetResult();
    }

    private string Tail()
    {
        lock (_lock) return _tail.Count == 0 ? "it said nothing" : string.Join(' ', _tail.Select(line => line.Trim()));
    }

    private string ExitWords() => Running.ExitCode switch
    {
        // As shells count signals.
        137 => "SIGKILL",
        143 => "SIGTERM",
        var code => string.Create(CultureInfo.InvariantCulture, $"exit code {code}"),
    };
}
