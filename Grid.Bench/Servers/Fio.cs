using System.Diagnostics;
using System.Globalization;
using System.Text.Json;

namespace Grid.Bench.Servers;

/// <summary>fio, which drives an NBD server through libnbd.</summary>
internal static class Fio
{
    /// <summary>Writes a whole device once, with bytes that no compression makes smaller.</summary>
    /// <param name="uri">The device.</param>
    /// <param name="bytes">Its bytes.</param>
    /// <param name="cancellation">Gives up.</param>
    public static Task FillAsync(string uri, long bytes, CancellationToken cancellation) =>
        JobAsync(uri, ["--rw=write", "--bs=256k", "--iodepth=8", $"--size={bytes}", "--refill_buffers"], cancellation);

    /// <summary>Runs a job for some time.</summary>
    /// <param name="uri">The device.</param>
    /// <param name="pattern">fio's name of the pattern.</param>
    /// <param name="block">Bytes of a request.</param>
    /// <param name="depth">Requests in flight.</param>
    /// <param name="bytes">Bytes of the device.</param>
    /// <param name="warmUp">Time that does not count.</param>
    /// <param name="time">Time that counts.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <returns>Requests a second.</returns>
    public static async Task<double> RunAsync(string uri, string pattern, string block, int depth, long bytes, TimeSpan warmUp, TimeSpan time, CancellationToken cancellation)
    {
        string[] job =
        [
            $"--rw={pattern}", $"--bs={block}", $"--iodepth={depth}", $"--size={bytes}", "--norandommap", "--refill_buffers", "--time_based",
            string.Create(CultureInfo.InvariantCulture, $"--ramp_time={warmUp.TotalMilliseconds:0}ms"), string.Create(CultureInfo.InvariantCulture, $"--runtime={time.TotalMilliseconds:0}ms"),
        ];
        using var json = JsonDocument.Parse(await JobAsync(uri, job, cancellation));
        var result = json.RootElement.GetProperty("jobs")[0];
        if (result.GetProperty("error").GetInt32() is var error and not 0) throw new BenchException($"fio found error {error} on {uri}");
        return result.GetProperty("read").GetProperty("iops").GetDouble() + result.GetProperty("write").GetProperty("iops").GetDouble();
    }

    private static async Task<string> JobAsync(string uri, string[] job, CancellationToken cancellation)
    {
        var start = new ProcessStartInfo("fio", ["--name=bench", "--ioengine=nbd", $"--uri={uri}", "--output-format=json", "--thread", .. job]) { RedirectStandardOutput = true, RedirectStandardError = true };
        try
        {
            using var process = Process.Start(start)!;
            using var registration = cancellation.UnsafeRegister(static state => ((Process)state!).Kill(), process);
            var errors = process.StandardError.ReadToEndAsync(CancellationToken.None);
            var output = await process.StandardOutput.ReadToEndAsync(CancellationToken.None);
            await process.WaitForExitAsync(CancellationToken.None);
            cancellation.ThrowIfCancellationRequested();
            if (process.ExitCode != 0) throw new BenchException($"fio ended with code {process.ExitCode} on {uri}: {(await errors).Trim().ReplaceLineEndings(" | ")}");
            return output[output.IndexOf('{', StringComparison.Ordinal)..];
        }
        catch (System.ComponentModel.Win32Exception)
        {
            throw new BenchException("fio is missing: install it (apt-get install fio)");
        }
    }
}
