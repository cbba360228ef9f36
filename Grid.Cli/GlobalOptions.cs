using System.CommandLine;
using Grid.Client;

namespace Grid.Cli;

/// <summary>The options that every command takes, and what runs a command under them.</summary>
internal sealed class GlobalOptions
{
    private const string DefaultConnect = "grid://127.0.0.1:7070";
    private const string DefaultAdmin = "http://127.0.0.1:7071";

    // Storing a tree keeps a node's disk busy; 5 s, right for a service, would end it for one slow commit.
    private static readonly TimeSpan DefaultTimeout = TimeSpan.FromSeconds(30);

    private readonly Option<string> _connect = new("--connect", "-c")
    {
        Description = "The Grid: grid://HOST:PORT[,HOST:PORT…][?tenant=…&member=…]. Environment: GRID_CONNECT.",
        HelpName = "GRID",
        DefaultValueFactory = _ => Setting("GRID_CONNECT") ?? DefaultConnect,
        Recursive = true,
    };

    private readonly Option<string> _admin = new("--admin")
    {
        Description = "A node's admin address, for 'status', 'shards' and 'node'. Environment: GRID_ADMIN.",
        HelpName = "URL",
        DefaultValueFactory = _ => Setting("GRID_ADMIN") ?? DefaultAdmin,
        Recursive = true,
    };

    private readonly Option<string?> _timeout = new("--timeout")
    {
        Description = "How long one operation may take, e.g. 500ms, 5s, 2m. Default: 30s.",
        HelpName = "TIME",
        Recursive = true,
    };

    private readonly Option<bool> _json = new("--json") { Description = "Print results as JSON.", Recursive = true };

    /// <summary>Makes the options and their checks.</summary>
    public GlobalOptions()
    {
        _timeout.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<string?>() is { } text && !SizeText.TryParseDuration(text, out _)) result.AddError($"--timeout {text}: a time such as 500ms, 5s or 2m is expected, at most 24h");
        });
        _connect.Validators.Add(result =>
        {
            if (ParseConnect(result.GetValueOrDefault<string>()) is (null, var wrong)) result.AddError($"--connect: {wrong}");
        });
        _admin.Validators.Add(result =>
        {
            if (ParseAdmin(result.GetValueOrDefault<string>()) == null) result.AddError("--admin: an address such as http://127.0.0.1:7071 is expected");
        });
    }

    /// <summary>Adds the options to the root.</summary>
    /// <param name="root">The root.</param>
    public void AddTo(Command root)
    {
        root.Add(_connect);
        root.Add(_timeout);
        root.Add(_json);
        root.Add(_admin);
    }

    /// <summary>Gives a command its action: errors become one line and an exit code.</summary>
    /// <param name="command">The command.</param>
    /// <param name="action">What it does; returns the exit code.</param>
    public void SetAction(Command command, Func<ParseResult, CliSession, Task<int>> action)
    {
        command.SetAction(async (parse, cancellation) =>
        {
            var configuration = parse.InvocationConfiguration;
            var output = new Output(configuration.Output, configuration.Error, parse.GetValue(_json));
            try
            {
                return await action(parse, Session(parse, output, cancellation));
            }
            catch (Exception e) when (CliErrors.Describe(e) is var (code, message))
            {
                await output.Error.WriteLineAsync($"grid: {message.ReplaceLineEndings(" ")}");
                return code;
            }
        });
    }

    private CliSession Session(ParseResult parse, Output output, CancellationToken cancellation)
    {
        var (options, wrong) = ParseConnect(parse.GetValue(_connect));
        if (options == null) throw CliException.Usage($"--connect: {wrong}");
        var explicitTimeout = parse.GetValue(_timeout);
        if (explicitTimeout != null && SizeText.TryParseDuration(explicitTimeout, out var timeout))
            options = options with { Timeout = timeout, ConnectTimeout = timeout < options.ConnectTimeout ? timeout : options.ConnectTimeout };
        else if (!parse.GetValue(_connect)!.Contains("timeout=", StringComparison.Ordinal))
            options = options with { Timeout = DefaultTimeout };
        var admin = ParseAdmin(parse.GetValue(_admin)) ?? throw CliException.Usage("--admin: no address");
        return new CliSession(options with { Agent = "grid cli" }, admin, output, cancellation);
    }

    private static (GridClientOptions? Options, string Wrong) ParseConnect(string? text)
    {
        try
        {
            var full = text ?? DefaultConnect;
            return (GridClientOptions.Parse(full.Contains("://", StringComparison.Ordinal) ? full : $"grid://{full}"), "");
        }
        catch (ArgumentException e)
        {
            return (null, e.Message);
        }
    }

    private static Uri? ParseAdmin(string? text)
    {
        var full = text != null && !text.Contains("://", StringComparison.Ordinal) ? $"http://{text}" : text;
        return Uri.TryCreate(full, UriKind.Absolute, out var uri) && uri.Scheme is "http" or "https" ? uri : null;
    }

    private static string? Setting(string name) => Environment.GetEnvironmentVariable(name) is { Length: > 0 } value ? value : null;
}
