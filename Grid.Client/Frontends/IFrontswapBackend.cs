namespace Grid.Client.Frontends;

/// <summary>
/// A place for the pages of swap devices, as <see cref="Frontswap"/> sees it (the kernel's <c>struct frontswap_ops</c>). <see cref="Frontswap"/> never makes two calls
/// about one page at the same time; calls about different pages come at any time.
/// </summary>
/// <remarks>
/// A failure is a <see cref="GridException"/> or an <see cref="IOException"/>; <see cref="Frontswap"/> lives with it. Anything else that is thrown is a mistake and reaches the caller.
/// </remarks>
public interface IFrontswapBackend
{
    /// <summary>What to call it in messages.</summary>
    string Name { get; }

    /// <summary>Bytes of a page.</summary>
    int PageSizeBytes { get; }

    /// <summary>A device is switched on: nothing that an earlier life of it stored may be found any more.</summary>
    /// <param name="type">The device, 0 to <see cref="Frontswap.MaxType"/>.</param>
    /// <param name="pages">Its size in pages.</param>
    /// <param name="cancellationToken">Gives the call up.</param>
    ValueTask InitAsync(int type, uint pages, CancellationToken cancellationToken);

    /// <summary>
    /// Stores a page in place of the one that may be there. If it fails, either page or none may be there; and once a later call about this page has succeeded, nothing of
    /// this one may take effect.
    /// </summary>
    /// <param name="type">The device.</param>
    /// <param name="offset">The page's number in it.</param>
    /// <param name="page"><see cref="PageSizeBytes"/> bytes.</param>
    /// <param name="cancellationToken">Gives the call up; what it has done is then not known.</param>
    /// <returns>Whether the page is stored. False is a refusal: nothing is stored at this offset, neither this page nor an older one.</returns>
    ValueTask<bool> StoreAsync(int type, uint offset, ReadOnlyMemory<byte> page, CancellationToken cancellationToken);

    /// <summary>Reads a page; it stays.</summary>
    /// <param name="type">The device.</param>
    /// <param name="offset">The page's number in it.</param>
    /// <param name="destination">At least <see cref="PageSizeBytes"/> bytes.</param>
    /// <param name="cancellationToken">Gives the call up.</param>
    /// <returns>Whether there is a page.</returns>
    ValueTask<bool> LoadAsync(int type, uint offset, Memory<byte> destination, CancellationToken cancellationToken);

    /// <summary>Removes a page; that none is there is no error. If it fails the page may still be there.</summary>
    /// <param name="type">The device.</param>
    /// <param name="offset">The page's number in it.</param>
    /// <param name="cancellationToken">Gives the call up.</param>
    ValueTask InvalidatePageAsync(int type, uint offset, CancellationToken cancellationToken);

    /// <summary>
    /// Removes all pages of a device. None of them is found afterwards, also if it fails: then only their space is not free yet, until the next call of this or of
    /// <see cref="InitAsync"/>.
    /// </summary>
    /// <param name="type">The device.</param>
    /// <param name="cancellationToken">Gives the call up.</param>
    ValueTask InvalidateAreaAsync(int type, CancellationToken cancellationToken);
}
