using System.Diagnostics;

namespace Grid.Cli.Local;

/// <summary>The node's program, which lies beside this one or where the environment says.</summary>
internal static class NodeProgram
{
    private const string FileName = "Grid.Node.dll";

    /// <summary>The environment variable that names it.</summary>
    public const string Variable = "GRID_NODE_PROGRAM";

    /// <summary>Where it is.</summary>
    /// <exception cref="CliException">It is not there.</exception>
    public static string Path()
    {
        var given = Environment.GetEnvironmentVariable(Variable);
        var path = given is { Length: > 0 } ? given : System.IO.Path.Combine(AppContext.BaseDirectory, FileName);
        return File.Exists(path) ? path : throw CliException.Failed($"{path} is not there: this runs the node's program; {Variable} says where it is");
    }

    /// <summary>
    /// Its command line, in a session of its own: Ctrl-C at the terminal goes to this command alone, which then stops its nodes in the right order. The process id is the node's.
    /// </summary>
    public static ProcessStartInfo Command(IEnumerable<string> arguments)
    {
        var start = new ProcessStartInfo("setsid") { RedirectStandardOutput = true, RedirectStandardError = true, RedirectStandardInput = true };
        foreach (var argument in (string[])["dotnet", "exec", Path(), .. arguments]) start.ArgumentList.Add(argument);
        return start;
    }
}
