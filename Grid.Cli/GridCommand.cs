using System.CommandLine;
using System.CommandLine.Help;
using Grid.Cli.Commands;
using Grid.Cli.Swap;

namespace Grid.Cli;

/// <summary>The <c>grid</c> command.</summary>
internal static class GridCommand
{
    private const string Description = "Pools, pages and files in the Grid, a distributed transcendent memory.";

    private const string ExitCodeText = """
        Exit codes:
          0 done   1 failed or not found   2 wrong usage   3 cannot connect   4 refused   5 wrong checksum
        """;

    /// <summary>Runs a command line.</summary>
    /// <param name="args">The arguments.</param>
    /// <param name="output">Where results go.</param>
    /// <param name="error">Where progress and errors go.</param>
    /// <param name="machine">The machine whose swap is changed; null: this one.</param>
    /// <returns>One of <see cref="ExitCodes"/>.</returns>
    public static async Task<int> RunAsync(string[] args, TextWriter output, TextWriter error, HostMachine? machine = null)
    {
        var root = Create(machine ?? HostMachine.This);
        if (args.Length == 0)
        {
            await InvokeAsync(root.Parse("--help"), error, error);
            return ExitCodes.Usage;
        }

        var parse = root.Parse(args);
        if (parse.Errors.Count > 0 && parse.Action is not ExamplesHelp)
        {
            await error.WriteLineAsync($"grid: {parse.Errors[0].Message.ReplaceLineEndings(" ")} (see '{HelpOf(parse.CommandResult.Command)} --help')");
            return ExitCodes.Usage;
        }

        return await InvokeAsync(parse, output, error);
    }

    /// <summary>The whole tree of commands.</summary>
    /// <param name="machine">The machine whose swap is changed.</param>
    public static RootCommand Create(HostMachine machine)
    {
        var global = new GlobalOptions();
        var root = new RootCommand(Description);
        global.AddTo(root);
        var examples = new Dictionary<Command, string>
        {
            [root] = $"""
                Examples:
                  grid pool create vault --persistent
                  grid store /usr/share/doc --pool vault
                  grid fetch --pool vault --to /tmp/doc

                {ExitCodeText}
                """,
        };
        void Add(Command command, string text)
        {
            root.Add(command);
            examples[command] = text;
        }

        Add(PoolCommands.Create(global, examples), PoolCommands.Examples);
        Add(PageCommands.Put(global), PageCommands.PutExamples);
        Add(PageCommands.Get(global), PageCommands.GetExamples);
        Add(PageCommands.Flush(global), PageCommands.FlushExamples);
        Add(TreeCommands.Store(global), TreeCommands.StoreExamples);
        Add(TreeCommands.Fetch(global), TreeCommands.FetchExamples);
        Add(TreeCommands.List(global), TreeCommands.ListExamples);
        Add(ExportCommand.Create(global), ExportCommand.Examples);
        Add(ImportCommand.Create(global), ImportCommand.Examples);
        Add(NbdCommands.Create(global), NbdCommands.Examples);
        Add(SwapCommands.Create(global, examples, machine), SwapCommands.Examples);
        Add(VerifyCommand.Create(global), VerifyCommand.Examples);
        Add(StatusCommand.Create(global), StatusCommand.Examples);
        Add(ShardsCommand.Create(global), ShardsCommand.Examples);
        Add(NodeCommands.Create(global, examples), NodeCommands.Examples);
        Add(PingCommand.Create(global), PingCommand.Examples);
        Add(UpCommand.Create(global), UpCommand.Examples);
        Add(DemoCommand.Create(global), DemoCommand.Examples);
        foreach (var option in root.Options.OfType<HelpOption>()) option.Action = new ExamplesHelp((HelpAction)option.Action!, examples);
        return root;
    }

    private static Task<int> InvokeAsync(ParseResult parse, TextWriter output, TextWriter error) =>
        parse.InvokeAsync(Configuration(parse, output, error));

    private static InvocationConfiguration Configuration(ParseResult parse, TextWriter output, TextWriter error)
    {
        var configuration = new InvocationConfiguration { Output = output, Error = error, EnableDefaultExceptionHandler = false };
        if (parse.CommandResult.Command is SelfStoppingCommand) configuration.ProcessTerminationTimeout = null;
        return configuration;
    }

    private static string HelpOf(Command command)
    {
        var names = new List<string>();
        for (Symbol? symbol = command; symbol is Command and not RootCommand; symbol = symbol.Parents.FirstOrDefault()) names.Insert(0, symbol.Name);
        return string.Join(' ', names.Prepend("grid"));
    }
}
