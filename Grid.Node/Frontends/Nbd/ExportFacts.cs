namespace Grid.Node.Frontends.Nbd;

/// <summary>What clients are told of an export.</summary>
/// <param name="Name">Its name.</param>
/// <param name="SizeBytes">Its size.</param>
/// <param name="IsReadOnly">Whether it may be written.</param>
/// <param name="PreferredBlockBytes">The unit that costs no read before the write: a page.</param>
/// <param name="Description">For people.</param>
internal sealed record ExportFacts(string Name, ulong SizeBytes, bool IsReadOnly, int PreferredBlockBytes, string Description)
{
    /// <summary>The smallest unit that clients are told of.</summary>
    public int MinBlockBytes { get; init; } = NbdLimits.MinBlockBytes;

    /// <summary>Whether zeros are faster than a write.</summary>
    public bool HasFastZero { get; init; } = true;

    /// <summary>What it can do. What one connection of one node has written all others read, and a flush is one of everything: hence multi-conn.</summary>
    /// <param name="structured">Whether structured replies were negotiated.</param>
    public TransmissionFlags Flags(bool structured) =>
        TransmissionFlags.HasFlags | TransmissionFlags.SendFlush | TransmissionFlags.SendFua | TransmissionFlags.CanMultiConn
        | (structured ? TransmissionFlags.SendDf : 0)
        | (IsReadOnly ? TransmissionFlags.ReadOnly : TransmissionFlags.SendTrim | TransmissionFlags.SendWriteZeroes | (HasFastZero ? TransmissionFlags.SendFastZero : 0));
}

/// <summary>What the handshake agreed on for the requests that follow.</summary>
/// <param name="Export">The export.</param>
/// <param name="Structured">Whether replies are structured.</param>
/// <param name="Allocation">Whether <c>base:allocation</c> was selected for this export.</param>
/// <param name="MinBlockBytes">What offsets and lengths must be multiples of: 1 for a client that did not ask for block sizes.</param>
internal sealed record TransmissionTerms(ExportFacts Export, bool Structured, bool Allocation, int MinBlockBytes);
