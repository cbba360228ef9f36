using System.Diagnostics;

namespace Grid.Cli.Demo;

/// <summary>How the demonstration speaks: numbered steps, a sentence or two each, and what was checked.</summary>
/// <param name="output">Where to.</param>
internal sealed class DemoTeller(Output output)
{
    private static readonly TimeSpan LineInterval = TimeSpan.FromSeconds(2);
    private readonly Stopwatch _sinceLine = Stopwatch.StartNew();
    private int _steps;

    /// <summary>What did not hold.</summary>
    public int Failed { get; private set; }

    /// <summary>What held.</summary>
    public int Held { get; private set; }

    /// <summary>Where it speaks.</summary>
    public Output Output => output;

    /// <summary>Begins a step.</summary>
    /// <param name="title">What is done.</param>
    /// <param name="why">What to look for.</param>
    public void Step(string title, string why)
    {
        output.Standard.WriteLine();
        output.WriteStyled($"{++_steps}. {title}", "bold");
        output.WriteParagraph(why);
    }

    /// <summary>Says how far it is: in place on a terminal, else a line now and then.</summary>
    public void Progress(string text)
    {
        if (output.StandardIsTerminal)
        {
            output.Standard.Write($"\r   {text}\e[K");
            return;
        }

        if (_sinceLine.Elapsed < LineInterval) return;
        _sinceLine.Restart();
        output.Standard.WriteLine($"   {text}");
    }

    /// <summary>Says something.</summary>
    public void Say(string text)
    {
        ClearProgress();
        output.Standard.WriteLine($"   {text}");
    }

    /// <summary>Says whether something held that must hold.</summary>
    public void Check(bool holds, string what)
    {
        ClearProgress();
        if (holds) Held++;
        else Failed++;
        output.WriteStyled(holds ? $"   ok: {what}" : $"   FAILED: {what}", holds ? "green" : "red bold");
    }

    private void ClearProgress()
    {
        if (output.StandardIsTerminal) output.Standard.Write("\r\e[K");
    }
}
