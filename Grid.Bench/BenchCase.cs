namespace Grid.Bench;

/// <summary>What a case does, over and over.</summary>
internal enum CaseKind
{
    /// <summary>Reads one page.</summary>
    Get,

    /// <summary>Overwrites one page.</summary>
    Put,

    /// <summary>Reads 64 pages in one request.</summary>
    GetBatch,

    /// <summary>Overwrites 64 pages in one request.</summary>
    PutBatch,

    /// <summary>Is answered by the node's gateway with one page, without any actor.</summary>
    Echo,
}

/// <summary>A case.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Kind">What it does.</param>
/// <param name="InFlight">How many requests are unanswered at a time.</param>
internal sealed record BenchCase(string Name, CaseKind Kind, int InFlight)
{
    /// <summary>Every case.</summary>
    public static readonly IReadOnlyList<BenchCase> All =
    [
        new("get-1", CaseKind.Get, 1),
        new("put-1", CaseKind.Put, 1),
        new("get-64", CaseKind.Get, 64),
        new("put-64", CaseKind.Put, 64),
        new("get-batch64", CaseKind.GetBatch, 8),
        new("put-batch64", CaseKind.PutBatch, 8),
        new("echo-64", CaseKind.Echo, 64),
    ];

    /// <summary>Whether the time of each request is what counts.</summary>
    public bool IsLatency => InFlight == 1;

    /// <summary>Pages that one request moves.</summary>
    public int PagesPerRequest => Kind is CaseKind.GetBatch or CaseKind.PutBatch ? Harness.Payload.PagesPerGroup : 1;
}
