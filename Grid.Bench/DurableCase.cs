using Grid.Bench.Harness;

namespace Grid.Bench;

/// <summary>What is stored.</summary>
internal enum PageKind
{
    /// <summary>Random bytes.</summary>
    Random,

    /// <summary>Pages of a real program's memory.</summary>
    Memory,
}

/// <summary>A case of acknowledged, durable puts.</summary>
/// <param name="Name">Its name.</param>
/// <param name="InFlight">Puts that are unanswered at a time.</param>
/// <param name="Objects">Objects that the Grid's pages are spread over.</param>
/// <param name="Pages">What is stored.</param>
internal sealed record DurableCase(string Name, int InFlight, int Objects, PageKind Pages)
{
    /// <summary>Every case.</summary>
    public static readonly IReadOnlyList<DurableCase> All =
    [
        new("put-64", 64, 1, PageKind.Random),
        new("put-256", 256, 1, PageKind.Random),
        new("memory-64", 64, 1, PageKind.Memory),
        new("memory-256", 256, 1, PageKind.Memory),
        new("spread-64", 64, 64, PageKind.Random),
    ];

    /// <summary>Pages in each of the Grid's objects.</summary>
    public int PagesPerObject => Payload.Keys / Objects;
}
