using System.CommandLine;
using System.Globalization;

namespace Grid.Cli.Commands;

/// <summary><c>grid ping</c>: is there a node, and how far is it?</summary>
internal static class PingCommand
{
    /// <summary>What help shows below.</summary>
    public const string Examples = """
        Examples:
          grid ping
          grid ping --connect grid://10.0.0.5:7070 --json
        """;

    /// <summary>The command.</summary>
    /// <param name="global">The global options.</param>
    public static Command Create(GlobalOptions global)
    {
        var command = new Command("ping", "Connects and measures the way to a node and back.");
        global.SetAction(command, async (_, session) =>
        {
            await using var client = await session.ConnectAsync();
            // The first answer pays for what is set up on both sides.
            await client.PingAsync(session.Cancellation);
            var best = TimeSpan.MaxValue;
            for (var i = 0; i < 5; i++)
            {
                var time = await client.PingAsync(session.Cancellation);
                if (time < best) best = time;
            }

            var server = client.Server;
            session.Output.Result(
                new { node = server.NodeName, address = server.NodeAddress, agent = server.Agent, protocol = server.Version, microseconds = Math.Round(best.TotalMicroseconds, 1) },
                string.Create(CultureInfo.InvariantCulture, $"{server.NodeName} at {server.NodeAddress} ({server.Agent}, protocol {server.Version}): {best.TotalMicroseconds:0} µs"));
            return ExitCodes.Ok;
        });
        return command;
    }
}
