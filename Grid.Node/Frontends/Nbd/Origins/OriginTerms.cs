namespace Grid.Node.Frontends.Nbd.Origins;

/// <summary>What another server says of its export.</summary>
/// <param name="SizeBytes">Its size.</param>
/// <param name="Flags">What it can do.</param>
/// <param name="Structured">Whether its replies are structured.</param>
/// <param name="Allocation">The number under which it tells what takes space; null: it does not.</param>
/// <param name="MinBlockBytes">What offsets and lengths must be multiples of.</param>
/// <param name="MaxBlockBytes">The most that a read or write may carry.</param>
internal sealed record OriginTerms(long SizeBytes, TransmissionFlags Flags, bool Structured, uint? Allocation, int MinBlockBytes, int MaxBlockBytes)
{
    /// <summary>Whether it can do something.</summary>
    public bool Can(TransmissionFlags flag) => (Flags & flag) != 0;
}
