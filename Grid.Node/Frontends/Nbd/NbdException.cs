namespace Grid.Node.Frontends.Nbd;

/// <summary>A request that cannot be carried out, with what its client is told.</summary>
/// <param name="error">The protocol's error.</param>
/// <param name="message">What happened.</param>
internal sealed class NbdException(NbdError error, string message) : Exception(message)
{
    /// <summary>The protocol's error.</summary>
    public NbdError Error { get; } = error;
}
