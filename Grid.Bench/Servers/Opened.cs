namespace Grid.Bench.Servers;

/// <summary>Servers and connections that were opened; ends all of them, the newest first.</summary>
internal sealed class Opened : IAsyncDisposable
{
    private readonly Stack<IAsyncDisposable> _open = new();

    /// <summary>Ends something with the others.</summary>
    /// <param name="open">What was opened.</param>
    public T Keep<T>(T open)
        where T : IAsyncDisposable
    {
        _open.Push(open);
        return open;
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        while (_open.TryPop(out var open)) await open.DisposeAsync();
    }
}
