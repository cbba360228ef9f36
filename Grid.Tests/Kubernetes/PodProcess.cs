using System.Diagnostics;
using Grid.Tests.Harness;
using k8s.Models;
using Xunit.Abstractions;

namespace Grid.Tests.Kubernetes;

/// <summary>
/// A pod's container as a process of this machine: the image's entry point with the pod's arguments, its environment and no other, as the pod's user, with the pod's volumes and
/// names. Started, probed and ended by the rules of Kubernetes. What it does not have of a container: a memory limit, a network of its own, a root file system of its own.
/// </summary>
internal sealed class PodProcess : IAsyncDisposable
{
    private static readonly HttpClient Http = new() { Timeout = Timeout.InfiniteTimeSpan };
    private readonly Manifests _manifests;
    private readonly ITestOutputHelper _output;
    private readonly Process _process;

    private PodProcess(LocalPod pod, Manifests manifests, ITestOutputHelper output, Process process)
    {
        (Pod, _manifests, _output, _process) = (pod, manifests, output, process);
    }

    /// <summary>Arguments of <c>unshare</c>: what follows them may mount something for itself alone.</summary>
    public static IReadOnlyList<string> Apart { get; } = [.. Environment.IsPrivilegedProcess ? (string[])[] : ["--user", "--map-root-user"], "--mount", "--propagation", "private", "--"];

    public LocalPod Pod { get; }

    public LogTail Log { get; } = new();

    /// <summary>Starts the container.</summary>
    public static PodProcess Start(LocalPod pod, Manifests manifests, PodNames names, ITestOutputHelper output)
    {
        Open(pod.Folder);
        var user = manifests.Nodes.Spec.Template.Spec.SecurityContext;
        // Every step replaces the one before it, so that signals to this process reach the node.
        string[] asUser = Environment.IsPrivilegedProcess ? ["setpriv", $"--reuid={user.RunAsUser}", $"--regid={user.RunAsGroup}", "--clear-groups", "--no-new-privs", "--bounding-set=-all", "--"] : [];
        var start = new ProcessStartInfo(
            "unshare",
            [
                .. Apart, "/bin/sh", "-c", "mount --bind \"$0\" /etc/hosts && mount --bind \"$1\" \"$2\" && shift 2 && exec \"$@\"",
                names.Path, AppContext.BaseDirectory.TrimEnd('/'), pod.Local("/app"), .. asUser, .. ImageTests.Entrypoint.Select(pod.Local), .. pod.Arguments,
            ])
        { RedirectStandardOutput = true, RedirectStandardError = true, WorkingDirectory = pod.Local("/app") };
        start.Environment.Clear();
        // What Microsoft's images set.
        start.Environment["PATH"] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
        start.Environment["APP_UID"] = "1654";
        start.Environment["ASPNETCORE_HTTP_PORTS"] = "8080";
        start.Environment["DOTNET_RUNNING_IN_CONTAINER"] = "true";
        start.Environment["TMPDIR"] = pod.Local("/tmp");
        foreach (var (name, value) in pod.Environment) start.Environment[name] = value;

        var process = new Process { StartInfo = start };
        var container = new PodProcess(pod, manifests, output, process);
        process.OutputDataReceived += (_, e) => container.AddLine(e.Data);
        process.ErrorDataReceived += (_, e) => container.AddLine(e.Data);
        process.Start();
        OwnedProcesses.Add(process.Id);
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        return container;
    }

    /// <summary>Returns once the startup probe and then the readiness probe succeed; fails where Kubernetes would have ended the container, and when it takes too long.</summary>
    public async Task WaitReadyAsync(TimeSpan deadline)
    {
        var startup = _manifests.Container.StartupProbe;
        await WaitAsync(startup, TimeSpan.FromSeconds(startup.PeriodSeconds!.Value * startup.FailureThreshold!.Value));
        await WaitAsync(_manifests.Container.ReadinessProbe, deadline);
    }

    /// <summary>Whether a probe succeeds now: an answer from 200 to 399 within its time-out.</summary>
    public async Task<bool> SucceedsAsync(V1Probe probe)
    {
        using var timeout = new CancellationTokenSource(TimeSpan.FromSeconds(probe.TimeoutSeconds!.Value));
        try
        {
            using var answer = await GetAsync(probe.HttpGet.Path, probe.HttpGet.Port.Value, timeout.Token);
            return (int)answer.StatusCode is >= 200 and < 400;
        }
        catch (Exception e) when (e is HttpRequestException or OperationCanceledException)
        {
            return false;
        }
    }

    /// <summary>What a named port of the pod answers.</summary>
    public Task<HttpResponseMessage> GetAsync(string path, string port, CancellationToken cancellation = default) =>
        Http.GetAsync(new Uri($"http://{Pod.Address}:{_manifests.Port(port)}{path}"), cancellation);

    /// <summary>Deletes the pod: SIGTERM, and a failure if it has not ended within its grace period.</summary>
    /// <returns>The exit code, and how long it took.</returns>
    public async Task<(int ExitCode, TimeSpan Took)> DeleteAsync()
    {
        var clock = Stopwatch.StartNew();
        var grace = TimeSpan.FromSeconds(_manifests.Nodes.Spec.Template.Spec.TerminationGracePeriodSeconds!.Value);
        Signals.Send(_process.Id, Signals.Terminate);
        using var timeout = new CancellationTokenSource(grace);
        try
        {
            await _process.WaitForExitAsync(timeout.Token);
        }
        catch (OperationCanceledException)
        {
            throw new TimeoutException($"{Pod.Name} did not end within its grace period of {grace.TotalSeconds:0} s\n{Log.Tail()}");
        }

        OwnedProcesses.Remove(_process.Id);
        return (_process.ExitCode, clock.Elapsed);
    }

    public async ValueTask DisposeAsync()
    {
        await OwnedProcesses.EndAsync(_process);
        _output.WriteLine($"{Pod.Name}, {Log.Count} lines, the last of them:\n{Log.Tail()}");
    }

    private async Task WaitAsync(V1Probe probe, TimeSpan deadline)
    {
        try
        {
            await Eventually.TrueAsync(async () => _process.HasExited || await SucceedsAsync(probe), $"{Pod.Name}: {probe.HttpGet.Path} succeeds", deadline);
        }
        catch (TimeoutException e)
        {
            throw new TimeoutException($"{e.Message}\n{Log.Tail()}");
        }

        if (_process.HasExited) throw new InvalidOperationException($"{Pod.Name} ended with {_process.ExitCode}\n{Log.Tail()}");
    }

    private void AddLine(string? line)
    {
        if (line is not null) Log.Add(line);
    }

    /// <summary>As a kubelet leaves volumes: the pod's user may read them, and write the empty ones.</summary>
    private static void Open(string folder)
    {
        File.SetUnixFileMode(folder, (UnixFileMode)Convert.ToInt32("755", 8));
        foreach (var volume in Directory.GetDirectories(folder, "volume-*"))
        {
            var empty = !Directory.EnumerateFileSystemEntries(volume).Any();
            File.SetUnixFileMode(volume, (UnixFileMode)Convert.ToInt32(empty ? "777" : "755", 8));
        }
    }
}
