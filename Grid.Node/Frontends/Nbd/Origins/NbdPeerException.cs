namespace Grid.Node.Frontends.Nbd.Origins;

/// <summary>The other server does not speak the protocol, or does not have what is asked for.</summary>
/// <param name="message">What it said.</param>
/// <param name="isFinal">Whether another attempt is of no use.</param>
internal sealed class NbdPeerException(string message, bool isFinal = false) : IOException(message)
{
    /// <summary>Whether another attempt is of no use.</summary>
    public bool IsFinal { get; } = isFinal;
}
