using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using System.Text.Json.Nodes;
using Grid.Cli.Cluster;

namespace Grid.Cli.Commands;

/// <summary><c>grid node …</c>: what is done to one node.</summary>
internal static class NodeCommands
{
    /// <summary>What help shows below.</summary>
    public const string Examples = """
        Examples:
          grid node drain --admin 127.0.0.2:7071 --wait
        """;

    private const string DrainExamples = """
        Examples:
          grid node drain
          grid node drain --admin 127.0.0.2:7071 --wait

        Exit codes: 0 it drains (--wait: it is gone), 1 it refused or was not gone in time, 3 nobody answers.
        """;

    private static readonly TimeSpan LookAgainAfter = TimeSpan.FromMilliseconds(100);

    // Beyond the node's own bound: its admin port is the last thing that closes.
    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(10);

    /// <summary>The command and what stands under it.</summary>
    /// <param name="global">The global options.</param>
    /// <param name="examples">Where the examples of the commands under it go.</param>
    public static Command Create(GlobalOptions global, Dictionary<Command, string> examples)
    {
        var wait = new Option<bool>("--wait") { Description = "Return when the node is gone." };
        var drain = new Command("drain", "Has the node at --admin hand over what it holds, leave the cluster and end, as SIGTERM does.") { wait };
        global.SetAction(drain, (parse, session) => DrainAsync(session, parse.GetValue(wait)));
        examples[drain] = DrainExamples;
        return new Command("node", "What is done to one node.") { drain };
    }

    private static async Task<int> DrainAsync(CliSession session, bool wait)
    {
        using var http = AdminClient.For(session);
        var clock = Stopwatch.StartNew();
        var answer = await http.DrainAsync(session.Admin, session.Cancellation);
        var name = Json.Text(answer["node"]);
        var bound = TimeSpan.FromSeconds(Json.Number(answer["timeoutSeconds"]));
        var already = Json.Flag(answer["alreadyDraining"]) ? "drains already" : "drains";
        if (!session.Output.Json)
            await session.Output.Standard.WriteLineAsync(string.Create(CultureInfo.InvariantCulture, $"{name} {already}: {Json.Text(answer["what"])}; within {bound.TotalSeconds:0.#} s (grid.stop.timeout)"));
        if (!wait)
        {
            if (session.Output.Json) session.Output.WriteJson(answer);
            return ExitCodes.Ok;
        }

        await WaitAsync(session, http, name, bound + Grace);
        answer["goneAfterSeconds"] = Math.Round(clock.Elapsed.TotalSeconds, 2);
        session.Output.Result(answer, string.Create(CultureInfo.InvariantCulture, $"{name} is gone after {clock.Elapsed.TotalSeconds:0.0} s"));
        return ExitCodes.Ok;
    }

    private static async Task WaitAsync(CliSession session, AdminClient http, string name, TimeSpan patience)
    {
        var clock = Stopwatch.StartNew();
        while (await http.StatusAsync(session.Admin, session.Cancellation) is { } status && !IsAnotherRun(status))
        {
            if (clock.Elapsed > patience) throw CliException.Failed(string.Create(CultureInfo.InvariantCulture, $"{name} is still there after {clock.Elapsed.TotalSeconds:0} s"));
            await Task.Delay(LookAgainAfter, session.Cancellation);
        }
    }

    /// <summary>Whoever runs the node may have started it again by now.</summary>
    private static bool IsAnotherRun(JsonObject status) => Json.Text(status["phase"]) != "draining";
}
