using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Text.Json;
using Grid.Cli.Local;
using Grid.Protocol;

namespace Grid.Cli.Verify;

/// <summary>Runs the node's program on a journal that no node uses: how a journal is laid out and read is the node's affair, not this command's.</summary>
/// <param name="arguments">Where the journal is, as the node's options say it.</param>
internal sealed class OfflineNode(IReadOnlyList<string> arguments)
{
    /// <summary>Has every object of a pool checked.</summary>
    /// <param name="pool">The pool's name.</param>
    /// <param name="tenant">Whose it is.</param>
    /// <param name="cancellation">Ctrl-C.</param>
    /// <exception cref="CliException">The journal can't be read.</exception>
    public async IAsyncEnumerable<VerifiedPiece> VerifyAsync(string pool, string tenant, [EnumeratorCancellation] CancellationToken cancellation)
    {
        using var process = Start(pool, tenant);
        var errors = process.StandardError.ReadToEndAsync(cancellation);
        var isWhole = false;
        try
        {
            while (await process.StandardOutput.ReadLineAsync(cancellation) is { } line)
            {
                var (piece, isEnd) = Parse(line);
                isWhole |= isEnd;
                if (piece != null) yield return piece;
            }

            await process.WaitForExitAsync(cancellation);
        }
        finally
        {
            if (!process.HasExited) process.Kill();
        }

        if (process.ExitCode == ExitCodes.Ok && isWhole) yield break;
        var message = (await errors).Trim();
        throw new CliException(
            process.ExitCode is ExitCodes.Usage or ExitCodes.CannotConnect ? process.ExitCode : ExitCodes.Failed,
            message.Length > 0 ? message.Replace("grid node: ", "", StringComparison.Ordinal) : $"the node's program ended with {process.ExitCode} before it had looked at everything");
    }

    private Process Start(string pool, string tenant)
    {
        var start = new ProcessStartInfo("dotnet") { RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (var argument in (string[])["exec", NodeProgram.Path(), "--verify-pool", pool, "--tenant", tenant, .. arguments]) start.ArgumentList.Add(argument);
        return Process.Start(start) ?? throw CliException.Failed("the node's program could not be started");
    }

    private static (VerifiedPiece? Piece, bool IsEnd) Parse(string line)
    {
        var json = JsonDocument.Parse(line).RootElement;
        if (json.TryGetProperty("end", out _)) return (null, true);
        if (!json.TryGetProperty("object", out var obj)) return (null, false);
        ulong? held = json.TryGetProperty("heldPages", out var pages) ? pages.GetUInt64() : null;
        var part = json.GetProperty("part").Deserialize<VerifyPart>(JsonSerializerOptions.Web)!;
        return (new VerifiedPiece(ObjectId.Parse(obj.GetString()), held, part), false);
    }
}
