using System.Text.Json;
using System.Text.Json.Serialization;

namespace Grid.Tests.Chaos;

/// <summary>What a line of a history says of a call.</summary>
internal enum EntryType
{
    /// <summary>It begins.</summary>
    Invoke,

    /// <summary>It was answered.</summary>
    Ok,

    /// <summary>It failed and was not applied.</summary>
    Fail,

    /// <summary>It failed, and its outcome is unknown. Also: what is no call (a pool, a fault).</summary>
    Info,
}

/// <summary>What is called.</summary>
internal enum CallKind
{
    Put,

    /// <summary>A get that keeps.</summary>
    Get,

    /// <summary>A get that takes.</summary>
    Take,
    Flush,
    FlushObject,
    WriteBatch,
    GetBatch,
    TakeBatch,

    /// <summary>No call: tells of a pool, before the first call on it.</summary>
    Pool,

    /// <summary>No call: what was broken or mended.</summary>
    Fault,
}

/// <summary>What was answered where a value alone does not tell.</summary>
internal enum CallResult
{
    /// <summary>The put was stored, the batch applied.</summary>
    Stored,

    /// <summary>The put or the batch was refused: its handles are empty.</summary>
    Refused,
}

/// <summary>One line of a history; docs/testing.md describes the format.</summary>
internal sealed record HistoryEntry
{
    private static readonly JsonSerializerOptions Json = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower,
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.KebabCaseLower) },
        UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
    };

    /// <summary>The caller: one call at a time. After an unknown outcome it goes on under a new number.</summary>
    public required int Process { get; init; }

    public required EntryType Type { get; init; }

    public required CallKind Op { get; init; }

    public string? Pool { get; init; }

    public string? Object { get; init; }

    /// <summary>The page of a call on one page.</summary>
    public uint? Index { get; init; }

    /// <summary>The page put or got, by the number that determines its bytes; 0: none (a miss).</summary>
    public ulong? Value { get; init; }

    /// <summary>A batch's pages.</summary>
    public uint[]? Indexes { get; init; }

    /// <summary>What a batch puts (0: flushes) or got (0: a miss), page by page.</summary>
    public ulong[]? Values { get; init; }

    public CallResult? Result { get; init; }

    /// <summary>Whether a flush found something; of a write batch: page by page.</summary>
    public bool[]? There { get; init; }

    /// <summary>When the call must have ended.</summary>
    public long? DeadlineNs { get; init; }

    /// <summary>Nanoseconds of a monotonic clock since the run began.</summary>
    public required long TimeNs { get; init; }

    /// <summary>What failed or what was wrong with an answer, for people; of a fault: what was done.</summary>
    public string? Text { get; init; }

    /// <summary>Of a pool: whether its acknowledged pages must stay.</summary>
    public bool? Persistent { get; init; }

    /// <summary>Of a pool: whether it may refuse a put (a quota, frozen, too little memory).</summary>
    public bool? MayRefuse { get; init; }

    public static HistoryEntry Parse(string line) =>
        JsonSerializer.Deserialize<HistoryEntry>(line, Json) ?? throw new FormatException($"no entry of a history: {line}");

    public string ToJson() => JsonSerializer.Serialize(this, Json);
}
