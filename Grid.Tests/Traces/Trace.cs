using System.IO.Compression;
using System.Text.Json;
using Grid.Protocol;

namespace Grid.Tests.Traces;

/// <summary>One line of a trace (data/FORMAT.md): what was asked, and what Linux's tmem answered.</summary>
internal sealed record TraceStep(
    int Line, string Op, int Pool, ObjectId Object, uint Index, ulong? Data, bool Persistent, bool Shared, ulong? Found, bool Result)
{
    /// <summary>The page that a put's number stands for: word i = D × 0x9E3779B97F4A7C15 + i.</summary>
    public static byte[] PageOf(ulong data)
    {
        var page = new byte[PoolOptions.MinPageSizeBytes];
        var words = System.Runtime.InteropServices.MemoryMarshal.Cast<byte, ulong>(page.AsSpan());
        for (var i = 0; i < words.Length; i++) words[i] = (data * 0x9E3779B97F4A7C15) + (ulong)i;
        return page;
    }

    public override string ToString() => $"line {Line}: {Op} pool {Pool} object {Object} index {Index}";
}

/// <summary>Reads the traces that lie beside the tests.</summary>
internal static class Trace
{
    public static async Task<IReadOnlyList<TraceStep>> ReadAsync(string name)
    {
        var steps = new List<TraceStep>();
        await using var file = File.OpenRead(Path.Combine(AppContext.BaseDirectory, "Traces", "data", name + ".jsonl.gz"));
        using var lines = new StreamReader(new GZipStream(file, CompressionMode.Decompress));
        while (await lines.ReadLineAsync() is { } line)
        {
            using var json = JsonDocument.Parse(line);
            steps.Add(Parse(steps.Count + 1, json.RootElement));
        }

        return steps;
    }

    private static TraceStep Parse(int line, JsonElement step)
    {
        var hasResult = step.TryGetProperty("result", out var result);
        return new TraceStep(
            line,
            step.GetProperty("op").GetString()!,
            step.GetProperty("pool").GetInt32(),
            step.TryGetProperty("oid", out var words) ? ObjectId.Parse(string.Concat(words.EnumerateArray().Select(word => word.GetString()))) : default,
            step.TryGetProperty("index", out var index) ? index.GetUInt32() : 0,
            step.TryGetProperty("data", out var data) ? data.GetUInt64() : null,
            step.TryGetProperty("persistent", out var persistent) && persistent.GetBoolean(),
            step.TryGetProperty("shared", out var shared) && shared.GetBoolean(),
            hasResult && result.ValueKind == JsonValueKind.Number ? result.GetUInt64() : null,
            hasResult && result.ValueKind == JsonValueKind.True);
    }
}
