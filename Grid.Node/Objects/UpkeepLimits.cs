namespace Grid.Node.Objects;

/// <summary>When objects write checkpoints and clean their journals, and how much of it at once.</summary>
internal sealed record UpkeepLimits
{
    /// <summary>So many events behind the base are replayed in about a second; a checkpoint comes then whatever it costs.</summary>
    public const int MaxEventsToReplay = 32_768;

    /// <summary>Live pages are copied in events of about this many bytes, so that a client's event waits for little.</summary>
    public const int SmallCopyBytes = 64 << 10;

    /// <summary>The same where cleaning is behind.</summary>
    public const int LargeCopyBytes = 256 << 10;

    /// <summary>Fewer events than this are replayed faster than a checkpoint is worth.</summary>
    public required int CheckpointEvents { get; init; }

    /// <summary>A checkpoint is small where so many times its bytes were written since the last.</summary>
    public int CheckpointCostFactor { get; init; } = 8;

    /// <summary>The least bytes that nobody needs any more for which a journal is cleaned.</summary>
    public required long CleanMinDeadBytes { get; init; }

    /// <summary>The share of a journal, in percent, that nobody needs any more when it is cleaned.</summary>
    public required int CleanDeadPercent { get; init; }

    /// <summary>While clients write, upkeep may write one event after so many of theirs.</summary>
    public int ForegroundEvents { get; init; } = 4;

    /// <summary>How long after an event of the clients the object still counts as written to.</summary>
    public TimeSpan ForegroundPause { get; init; } = TimeSpan.FromMilliseconds(20);
}
