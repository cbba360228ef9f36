using System.Diagnostics;
using System.Globalization;

namespace Grid.Bench.Servers;

/// <summary>Another NBD server, in its own process.</summary>
internal sealed class NbdPeer : IAsyncDisposable
{
    private static readonly TimeSpan StartLimit = TimeSpan.FromSeconds(20);
    private readonly ChildProcess _process;
    private readonly DirectoryInfo? _directory;
    private string? _daemon;

    private NbdPeer(ChildProcess process, DirectoryInfo? directory, string uri) => (_process, _directory, Uri) = (process, directory, uri);

    /// <summary>Its device.</summary>
    public string Uri { get; }

    /// <summary>nbdkit with its memory plugin.</summary>
    /// <param name="bytes">Bytes of the device.</param>
    /// <param name="cancellation">Gives up.</param>
    public static async Task<NbdPeer> StartNbdKitAsync(long bytes, CancellationToken cancellation)
    {
        var port = ChildProcess.FreePort();
        // It ends with the thread that started it; a shell in between has but one, and ends with this process.
        var process = ChildProcess.Start("nbdkit", "sh", ["-c", "nbdkit \"$@\"; exit $?", "sh", "--foreground", "--ipaddr", "127.0.0.1", "--port", $"{port}", "memory", $"size={bytes}"]);
        return await ServesAsync(new NbdPeer(process, null, $"nbd://127.0.0.1:{port}/"), port, cancellation);
    }

    /// <summary>nbd-server on a file.</summary>
    /// <param name="parent">Where the file is.</param>
    /// <param name="bytes">Bytes of the device.</param>
    /// <param name="sync">Whether every write is on the disk before it is answered.</param>
    /// <param name="cancellation">Gives up.</param>
    public static async Task<NbdPeer> StartNbdServerAsync(DirectoryInfo parent, long bytes, bool sync, CancellationToken cancellation)
    {
        var directory = TemporaryDirectory.Make(parent, "grid-bench-nbd-");
        var (disk, settings) = (Path.Combine(directory.FullName, "disk"), Path.Combine(directory.FullName, "nbd.conf"));
        await using (var file = File.Create(disk)) file.SetLength(bytes);
        var port = ChildProcess.FreePort();
        await File.WriteAllTextAsync(settings, $"[generic]\nport = {port}\nlistenaddr = 127.0.0.1\n[disk]\nexportname = {disk}\nsync = {(sync ? "true" : "false")}\n", cancellation);
        // It serves more than one client only as a daemon, which tells who it is in a file.
        var pid = Path.Combine(directory.FullName, "pid");
        var start = ChildProcess.Start("nbd-server", "nbd-server", ["-C", settings, "-p", pid]);
        return await ServesAsync(new NbdPeer(start, directory, $"nbd://127.0.0.1:{port}/disk") { _daemon = pid }, port, cancellation);
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _process.DisposeAsync();
        if (_daemon is not null && File.Exists(_daemon))
        {
            using var daemon = Process.GetProcessById(int.Parse(await File.ReadAllTextAsync(_daemon), CultureInfo.InvariantCulture));
            daemon.Kill(entireProcessTree: true);
            await daemon.WaitForExitAsync();
        }

        _directory?.Delete(recursive: true);
    }

    private static async Task<NbdPeer> ServesAsync(NbdPeer peer, int port, CancellationToken cancellation)
    {
        try
        {
            var begun = Stopwatch.GetTimestamp();
            while (!await ChildProcess.ListensAsync(port, cancellation))
            {
                if (Stopwatch.GetElapsedTime(begun) > StartLimit) throw new BenchException($"{peer.Uri} does not serve after {StartLimit.TotalSeconds:0} s: {peer._process.Said}");
                await Task.Delay(20, cancellation);
            }

            return peer;
        }
        catch
        {
            await peer.DisposeAsync();
            throw;
        }
    }
}
