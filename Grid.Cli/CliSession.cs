using Grid.Client;

namespace Grid.Cli;

/// <summary>One run of a command: what the global options said and where it prints.</summary>
/// <param name="Options">How to connect.</param>
/// <param name="Admin">The node's admin address.</param>
/// <param name="Output">Where it prints.</param>
/// <param name="Cancellation">Ctrl-C.</param>
internal sealed record CliSession(GridClientOptions Options, Uri Admin, Output Output, CancellationToken Cancellation)
{
    /// <summary>Connects.</summary>
    /// <exception cref="CliException">No node can be reached.</exception>
    public async ValueTask<GridClient> ConnectAsync()
    {
        try
        {
            return await GridClient.ConnectAsync(Options, Cancellation);
        }
        catch (GridException e) when (e is GridUnavailableException or GridTimeoutException)
        {
            throw new CliException(ExitCodes.CannotConnect, $"cannot connect to {string.Join(", ", Options.Addresses)}: {e.Message} (is a node running there? --connect or GRID_CONNECT names another one)");
        }
    }

    /// <summary>Runs an action on a pool.</summary>
    /// <param name="name">The pool's name.</param>
    /// <param name="action">What to do.</param>
    /// <returns>What the action returned.</returns>
    public async Task<int> WithPoolAsync(string name, Func<Pool, Task<int>> action)
    {
        await using var client = await ConnectAsync();
        return await action(await client.OpenPoolAsync(name, Cancellation));
    }
}
