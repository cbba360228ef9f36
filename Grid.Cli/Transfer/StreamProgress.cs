using System.Diagnostics;
using Spectre.Console;

namespace Grid.Cli.Transfer;

/// <summary>Shows how something goes whose end is not known in bytes: a spinner or a bar on a terminal, else a line every few seconds.</summary>
/// <param name="output">Where to.</param>
/// <param name="describe">What is shown.</param>
/// <param name="done">How much of the whole is done, 0 to 1; null where nobody knows.</param>
internal sealed class StreamProgress(Output output, Func<string> describe, Func<double>? done = null)
{
    private static readonly TimeSpan BarInterval = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan LineInterval = TimeSpan.FromSeconds(5);
    private readonly long _started = Stopwatch.GetTimestamp();

    /// <summary>How long it has taken.</summary>
    public double Seconds => Math.Max(1e-6, Stopwatch.GetElapsedTime(_started).TotalSeconds);

    /// <summary>Runs the work and shows it.</summary>
    /// <param name="verb">What is done.</param>
    /// <param name="work">The work.</param>
    public async Task<T> ShowAsync<T>(string verb, Func<Task<T>> work)
    {
        if (!output.ErrorIsTerminal)
        {
            var task = work();
            while (await Task.WhenAny(task, Task.Delay(LineInterval)) != task) await output.Error.WriteLineAsync(describe());
            return await task;
        }

        if (done == null)
        {
            return await output.ErrorConsole.Status().StartAsync(Markup.Escape(verb), async context =>
            {
                var task = work();
                while (await Task.WhenAny(task, Task.Delay(BarInterval)) != task) context.Status(Markup.Escape(describe()));
                return await task;
            });
        }

        return await output.ErrorConsole.Progress()
            .AutoClear(true)
            .Columns(new TaskDescriptionColumn { Alignment = Justify.Left }, new ProgressBarColumn { Width = 32 }, new PercentageColumn(), new RemainingTimeColumn())
            .StartAsync(async context =>
            {
                var bar = context.AddTask(verb, maxValue: 1);
                var task = work();
                do
                {
                    bar.Value = done();
                    bar.Description = Markup.Escape(describe());
                }
                while (await Task.WhenAny(task, Task.Delay(BarInterval)) != task);
                return await task;
            });
    }
}
