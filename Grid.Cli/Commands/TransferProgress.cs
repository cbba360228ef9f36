using System.Diagnostics;
using System.Globalization;
using Grid.Cli.Files;
using Spectre.Console;

namespace Grid.Cli.Commands;

/// <summary>Shows how a store or fetch goes: a bar on a terminal, else a line every few seconds.</summary>
/// <param name="output">Where to.</param>
/// <param name="counters">What is shown.</param>
internal sealed class TransferProgress(Output output, TransferCounters counters)
{
    private static readonly TimeSpan BarInterval = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan LineInterval = TimeSpan.FromSeconds(5);
    private readonly long _started = Stopwatch.GetTimestamp();

    /// <summary>Runs the work and shows it.</summary>
    /// <param name="verb">What is done.</param>
    /// <param name="totalBytes">How many bytes it will be.</param>
    /// <param name="totalFiles">How many files.</param>
    /// <param name="work">The work.</param>
    public async Task<T> ShowAsync<T>(string verb, long totalBytes, long totalFiles, Func<Task<T>> work)
    {
        if (!output.ErrorIsTerminal)
        {
            var task = work();
            while (await Task.WhenAny(task, Task.Delay(LineInterval)) != task)
                await output.Error.WriteLineAsync($"{verb} {SizeText.Format(counters.Bytes)} of {SizeText.Format(totalBytes)}, {counters.Files} of {totalFiles} files, {Rate()}");
            return await task;
        }

        return await output.ErrorConsole.Progress()
            .AutoClear(true)
            .Columns(new TaskDescriptionColumn { Alignment = Justify.Left }, new ProgressBarColumn { Width = 32 }, new PercentageColumn(), new RemainingTimeColumn())
            .StartAsync(async context =>
            {
                // The first file's bytes count from 0: an empty tree shows as done at once.
                var bar = context.AddTask(verb, maxValue: Math.Max(1, totalBytes));
                var task = work();
                do
                {
                    bar.Value = counters.Bytes;
                    bar.Description = Markup.Escape($"{verb} {counters.Files}/{totalFiles} files, {SizeText.Format(counters.Bytes)}, {Rate()}");
                }
                while (await Task.WhenAny(task, Task.Delay(BarInterval)) != task);
                return await task;
            });
    }

    /// <summary>Prints the last line.</summary>
    /// <param name="done">What was done, e.g. "stored".</param>
    /// <param name="manifest">The tree it was done to.</param>
    public void Finish(string done, Manifest manifest)
    {
        var seconds = Math.Max(1e-6, Stopwatch.GetElapsedTime(_started).TotalSeconds);
        var result = new
        {
            files = counters.Files,
            directories = manifest.Entries.Count(entry => entry.Kind == EntryKind.Directory),
            links = manifest.Entries.Count(entry => entry.Kind == EntryKind.Link),
            bytes = counters.Bytes,
            pages = counters.Pages,
            seconds = Math.Round(seconds, 3),
            mibPerSecond = Math.Round(counters.Bytes / seconds / (1 << 20), 1),
            pagesPerSecond = Math.Round(counters.Pages / seconds),
        };
        output.Result(result, string.Create(CultureInfo.InvariantCulture,
            $"{done} {result.files:#,0} files, {SizeText.Format(result.bytes)} in {seconds:0.00} s: {result.mibPerSecond:0.0} MiB/s, {result.pagesPerSecond:#,0} pages/s ({result.directories:#,0} directories, {result.links:#,0} links)"));
    }

    private string Rate() => $"{SizeText.Format(counters.Bytes / Math.Max(0.1, Stopwatch.GetElapsedTime(_started).TotalSeconds))}/s";
}
