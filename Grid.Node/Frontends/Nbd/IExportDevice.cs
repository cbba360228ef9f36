namespace Grid.Node.Frontends.Nbd;

/// <summary>What carries out the requests of an export. Its ranges were checked. Requests that overlap in time have no order.</summary>
internal interface IExportDevice : IDisposable
{
    /// <summary>Reads.</summary>
    /// <param name="offset">Where.</param>
    /// <param name="destination">What is filled, all of it.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <returns>False where everything is zero and nothing of it takes space.</returns>
    /// <exception cref="NbdException">It cannot be read.</exception>
    ValueTask<bool> ReadAsync(long offset, Memory<byte> destination, CancellationToken cancellation);

    /// <summary>Writes. When it returns, whoever reads, through whatever node, reads what was written; durable it is after the next <see cref="FlushAsync"/>.</summary>
    /// <param name="offset">Where.</param>
    /// <param name="data">What.</param>
    /// <param name="cancellation">Gives up what was not begun.</param>
    /// <exception cref="NbdException">It cannot be written.</exception>
    ValueTask WriteAsync(long offset, ReadOnlyMemory<byte> data, CancellationToken cancellation);

    /// <summary>Makes a range zero.</summary>
    /// <param name="offset">Where.</param>
    /// <param name="length">How far.</param>
    /// <param name="keepsPages">Whether the range goes on taking space.</param>
    /// <param name="cancellation">Gives up what was not begun.</param>
    /// <exception cref="NbdException">It cannot be written.</exception>
    ValueTask ZeroAsync(long offset, long length, bool keepsPages, CancellationToken cancellation);

    /// <summary>What of a range takes space: runs that begin at its beginning and cover all of it, or less where it is long.</summary>
    /// <param name="offset">Where.</param>
    /// <param name="length">How far.</param>
    /// <param name="cancellation">Gives up.</param>
    ValueTask<IReadOnlyList<Extent>> StatusAsync(long offset, uint length, CancellationToken cancellation);

    /// <summary>Makes durable what writes of before, through whatever connection, have returned.</summary>
    /// <param name="cancellation">Gives up waiting.</param>
    /// <exception cref="NbdException">Something of it may not be durable.</exception>
    ValueTask FlushAsync(CancellationToken cancellation);
}
