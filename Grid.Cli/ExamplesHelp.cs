using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;

namespace Grid.Cli;

/// <summary>The usual help, with a command's examples below it.</summary>
/// <param name="usual">The usual help.</param>
/// <param name="examples">Examples by command.</param>
internal sealed class ExamplesHelp(HelpAction usual, IReadOnlyDictionary<Command, string> examples) : SynchronousCommandLineAction
{
    /// <inheritdoc/>
    public override bool ClearsParseErrors => true;

    /// <inheritdoc/>
    public override int Invoke(ParseResult parseResult)
    {
        var configuration = parseResult.InvocationConfiguration;
        var output = configuration.Output;
        using var text = new StringWriter();
        configuration.Output = text;
        var code = usual.Invoke(parseResult);
        configuration.Output = output;
        // The parser names the root after the program's file.
        output.Write(text.ToString().Replace($"  {RootCommand.ExecutableName} ", "  grid ", StringComparison.Ordinal));
        if (examples.TryGetValue(parseResult.CommandResult.Command, out var shown))
        {
            output.WriteLine(shown);
            output.WriteLine();
        }

        return code;
    }
}
