using Grid.Node.Journal;

namespace Grid.Node.Hosting;

/// <summary>The node's command line.</summary>
internal sealed record NodeCommandLine
{
    /// <summary>What --help prints.</summary>
    public const string Help = """
        Usage: grid-node [OPTIONS]
        Runs one node of the Grid until SIGTERM or SIGINT; a second signal cuts the graceful stop short.

          --config FILE         HOCON file laid over the defaults; repeatable, later ones win
          --set NAME=VALUE      one setting, e.g. --set grid.gateway.port=7080; repeatable, wins over files and environment
          --base-directory DIR  where a relative grid.node.data-directory begins (default: the working directory)
          --ports-file FILE     once serving, writes {"data":…,"admin":…,"cluster":…} there: the ports it listens on
          --verify-pool NAME    reads the journal of a pool, tells one JSON object a line what it found, and exits; the node must not run
                                (grid verify --offline does this and makes a report of it)
          --tenant NAME         whose pool --verify-pool names (default: default)
          --print-config        prints every setting with its value and source (secrets redacted) and exits
          --print-schema DB     prints the SQL that makes the journal's tables, for postgresql or sqlite, and exits
          --version             prints the version and exits
          --help                prints this and exits

        Environment: GRID__GATEWAY__PORT=7080 is grid.gateway.port ("__" for ".", "_" for "-"); between files and --set.
        Every setting is explained in hocon/default.conf.
        Exit codes: 0 stopped as asked, 1 failure (see the log), 2 a wrong setting or argument,
                    3 port in use or data directory not usable, 4 removed from the cluster (start it again).
        """;

    private static readonly string[] Options =
        ["--config", "--set", "--base-directory", "--ports-file", "--verify-pool", "--tenant", "--print-config", "--print-schema", "--version", "--help"];

    /// <summary>--config, in order.</summary>
    public IReadOnlyList<string> Files { get; private init; } = [];

    /// <summary>--set, in order.</summary>
    public IReadOnlyList<KeyValuePair<string, string>> Overrides { get; private init; } = [];

    /// <summary>--base-directory.</summary>
    public string BaseDirectory { get; private init; } = Environment.CurrentDirectory;

    /// <summary>--ports-file.</summary>
    public string? PortsFile { get; private init; }

    /// <summary>--verify-pool.</summary>
    public string? VerifyPool { get; private init; }

    /// <summary>--tenant.</summary>
    public string Tenant { get; private init; } = "default";

    /// <summary>--print-config.</summary>
    public bool PrintConfig { get; private init; }

    /// <summary>--print-schema.</summary>
    public JournalProvider? PrintSchema { get; private init; }

    /// <summary>--version.</summary>
    public bool PrintVersion { get; private init; }

    /// <summary>--help.</summary>
    public bool PrintHelp { get; private init; }

    /// <summary>Reads the arguments.</summary>
    /// <exception cref="StartupException">An argument is unknown or lacks its value.</exception>
    public static NodeCommandLine Parse(IReadOnlyList<string> args)
    {
        var files = new List<string>();
        var overrides = new List<KeyValuePair<string, string>>();
        var result = new NodeCommandLine { Files = files, Overrides = overrides };
        for (var i = 0; i < args.Count; i++)
        {
            var (name, inline) = args[i].Split('=', 2) is [var option, var text] ? (option, text) : (args[i], null);
            string Value()
            {
                if (inline != null) return inline;
                return ++i < args.Count ? args[i] : throw StartupException.Setting($"{name} lacks its value (see --help)");
            }
            switch (name)
            {
                case "--config": files.Add(Value()); break;
                case "--set": overrides.Add(Override(Value())); break;
                case "--base-directory": result = result with { BaseDirectory = Path.GetFullPath(Value()) }; break;
                case "--ports-file": result = result with { PortsFile = Path.GetFullPath(Value()) }; break;
                case "--verify-pool": result = result with { VerifyPool = Value() }; break;
                case "--tenant": result = result with { Tenant = Value() }; break;
                case "--print-config" when inline == null: result = result with { PrintConfig = true }; break;
                case "--print-schema": result = result with { PrintSchema = Provider(Value()) }; break;
                case "--version" when inline == null: result = result with { PrintVersion = true }; break;
                case "--help" or "-h" when inline == null: result = result with { PrintHelp = true }; break;
                default: throw StartupException.Setting($"unknown argument {name}: did you mean {Spelling.Nearest(name, Options)}? (see --help)");
            }
        }
        return result;
    }

    private static JournalProvider Provider(string text)
    {
        return Enum.TryParse<JournalProvider>(text, ignoreCase: true, out var provider) && Enum.IsDefined(provider) && !char.IsAsciiDigit(text[0])
            ? provider
            : throw StartupException.Setting($"--print-schema {text}: must be postgresql or sqlite");
    }

    private static KeyValuePair<string, string> Override(string text)
    {
        return text.Split('=', 2) is [var name, var value]
            ? new KeyValuePair<string, string>(name.Trim(), value)
            : throw StartupException.Setting($"--set {text}: must be NAME=VALUE");
    }
}
