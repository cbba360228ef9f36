namespace Grid.Tests.Chaos.Bed;

/// <summary>What becomes of the packets from one host to another.</summary>
internal sealed record LinkRule
{
    /// <summary>None arrives.</summary>
    public static LinkRule Cut { get; } = new() { Loss = 1 };

    /// <summary>The share of packets that do not arrive.</summary>
    public double Loss { get; init; }

    /// <summary>How much later they arrive.</summary>
    public TimeSpan Delay { get; init; }

    /// <summary>Up to so much later or earlier than that. Their order stays.</summary>
    public TimeSpan Jitter { get; init; }

    /// <summary>How many bytes pass in a second; 0: any number. What would wait longer than a second is lost.</summary>
    public int BytesPerSecond { get; init; }
}
