namespace Grid.Node.Frontends.Nbd;

/// <summary>
/// Keeps requests of this node that read, change and write the same page from undoing each other's work again and again. Nothing rests on it: the condition of the write is what keeps
/// updates from being lost, also between nodes.
/// </summary>
internal sealed class PageLocks : IDisposable
{
    private const int Stripes = 64;
    private readonly SemaphoreSlim[] _stripes = [.. Enumerable.Range(0, Stripes).Select(_ => new SemaphoreSlim(1, 1))];

    /// <summary>Waits for the pages at the ends of a piece.</summary>
    /// <returns>What lets go of them.</returns>
    public async ValueTask<Held> TakeAsync(Piece piece, CancellationToken cancellation)
    {
        var (first, last) = (Stripe(piece, 0), Stripe(piece, piece.Pages - 1));
        // In one order, so that two requests never wait for each other.
        if (first > last) (first, last) = (last, first);
        await _stripes[first].WaitAsync(cancellation).ConfigureAwait(false);
        if (first == last) return new Held(_stripes[first], null);
        try
        {
            await _stripes[last].WaitAsync(cancellation).ConfigureAwait(false);
        }
        catch
        {
            _stripes[first].Release();
            throw;
        }

        return new Held(_stripes[first], _stripes[last]);
    }

    public void Dispose()
    {
        foreach (var stripe in _stripes) stripe.Dispose();
    }

    private static int Stripe(Piece piece, int page) => (int)(((piece.Object.Word1 * 31) + piece.First + (uint)page) % Stripes);

    /// <summary>Pages that are held until this is disposed of.</summary>
    internal readonly struct Held(SemaphoreSlim first, SemaphoreSlim? second) : IDisposable
    {
        public void Dispose()
        {
            first.Release();
            second?.Release();
        }
    }
}
