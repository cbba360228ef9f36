namespace Grid.Client.Frontends;

/// <summary>The state of an origin.</summary>
/// <param name="LengthBytes">Its length.</param>
/// <param name="Version">
/// What differs between two contents: part of the pages' addresses, so that pages of different contents never meet. Empty for an origin that is written through <see cref="CachedFile"/> only: its pages
/// are invalidated instead.
/// </param>
/// <param name="IsCertain">Whether no other content can have this version. If not (the file changed a moment ago, and its time is too coarse), nothing is cached.</param>
public sealed record OriginState(long LengthBytes, string Version, bool IsCertain);

/// <summary>Where a <see cref="CachedFile"/>'s bytes come from.</summary>
public interface IOrigin : IAsyncDisposable
{
    /// <summary>Its name: the same for all processes that share its pages, and of nothing else.</summary>
    string Name { get; }

    /// <summary>Whether it is written through <see cref="CachedFile"/>. Then its states have no version, and everybody who writes it must do it so.</summary>
    bool IsWritable { get; }

    /// <summary>Asks how it is now.</summary>
    /// <param name="cancellationToken">Gives the call up.</param>
    /// <exception cref="IOException">It failed.</exception>
    ValueTask<OriginState> StatAsync(CancellationToken cancellationToken);

    /// <summary>Reads: fills the destination, but for what lies past the end.</summary>
    /// <param name="state">The state that the caller knows; of an origin with versions, only bytes of that state are returned.</param>
    /// <param name="offset">The first byte.</param>
    /// <param name="destination">Where to.</param>
    /// <param name="cancellationToken">Gives the call up.</param>
    /// <returns>How many bytes were read.</returns>
    /// <exception cref="OriginChangedException">The origin is not in that state any more.</exception>
    /// <exception cref="IOException">It failed.</exception>
    ValueTask<int> ReadAsync(OriginState state, long offset, Memory<byte> destination, CancellationToken cancellationToken);

    /// <summary>Writes all of the bytes; whoever reads after it has returned reads them.</summary>
    /// <param name="offset">The first byte.</param>
    /// <param name="data">The bytes.</param>
    /// <param name="cancellationToken">Gives the call up.</param>
    /// <exception cref="NotSupportedException">It cannot be written.</exception>
    /// <exception cref="IOException">It failed; any part may have been written.</exception>
    ValueTask WriteAsync(long offset, ReadOnlyMemory<byte> data, CancellationToken cancellationToken);
}

/// <summary>The origin has other content than when it was opened. Nothing of the new content was returned; <see cref="CachedFile.RefreshAsync"/> goes on with it.</summary>
public sealed class OriginChangedException : IOException
{
    /// <summary>Makes the exception.</summary>
    /// <param name="message">Which origin, and what differs.</param>
    public OriginChangedException(string message)
        : base(message)
    {
    }
}
