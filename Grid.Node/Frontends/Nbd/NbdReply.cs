namespace Grid.Node.Frontends.Nbd;

/// <summary>What answers a request.</summary>
/// <param name="Request">The request.</param>
/// <param name="Error">What went wrong; <see cref="NbdError.None"/> where nothing did.</param>
/// <param name="Text">What went wrong, for people.</param>
internal sealed record NbdReply(NbdRequest Request, NbdError Error = NbdError.None, string Text = "")
{
    /// <summary>A read's bytes; null where all of them are zero.</summary>
    public byte[]? Data { get; init; }

    /// <summary>What a block status found.</summary>
    public IReadOnlyList<Extent> Extents { get; init; } = [];

    /// <summary>The buffer that is free once the reply is sent.</summary>
    public byte[]? Buffer { get; init; }
}
