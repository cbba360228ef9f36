using System.Globalization;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Grid.Bench.Commands;

/// <summary>Results as a table and as JSON.</summary>
internal static class Report
{
    private static readonly JsonSerializerOptions Indented = new() { WriteIndented = true };

    /// <summary>Prints a table: medians, their spread, ratios.</summary>
    /// <param name="output">Where to.</param>
    /// <param name="results">The results.</param>
    /// <param name="options">How they were made.</param>
    public static void WriteTable(TextWriter output, IReadOnlyList<CaseResult> results, RoundOptions options)
    {
        var peers = results.SelectMany(result => result.Peers).Distinct().ToArray();
        var rows = new List<string[]> { (string[])["case", "unit", "grid", .. peers, .. peers.Select(peer => $"vs {peer}")] };
        foreach (var result in results)
        {
            rows.Add(
            [
                result.Case, result.Unit, Value(result, CaseResult.Grid),
                .. peers.Select(peer => result.Peers.Contains(peer) ? Value(result, peer) : "-"),
                .. peers.Select(peer => result.Peers.Contains(peer) ? $"{result.Ratio(peer).ToString("0.00", CultureInfo.InvariantCulture)}x" : "-"),
            ]);
        }

        WriteColumns(output, rows);
        output.WriteLine();
        output.WriteLine($"Medians of {options.RoundCount} rounds of {options.Time.TotalSeconds.ToString("0.##", CultureInfo.InvariantCulture)} s (± half the distance between best and worst). A ratio above 1 means the Grid is better.");
    }

    /// <summary>Prints columns: the first two to the left, the others to the right.</summary>
    /// <param name="output">Where to.</param>
    /// <param name="rows">The rows, headings first.</param>
    public static void WriteColumns(TextWriter output, IReadOnlyList<string[]> rows)
    {
        var widths = Enumerable.Range(0, rows[0].Length).Select(column => rows.Max(row => row[column].Length)).ToArray();
        foreach (var row in rows)
        {
            var line = new StringBuilder();
            for (var column = 0; column < row.Length; column++) line.Append(column < 2 ? row[column].PadRight(widths[column]) : row[column].PadLeft(widths[column])).Append("  ");
            output.WriteLine(line.ToString().TrimEnd());
        }
    }

    /// <summary>Writes the results as a JSON array.</summary>
    /// <param name="path">Where to.</param>
    /// <param name="results">The results.</param>
    /// <param name="cancellation">Gives up.</param>
    public static async Task WriteJsonAsync(string path, IEnumerable<CaseResult> results, CancellationToken cancellation)
    {
        var array = new JsonArray();
        foreach (var result in results)
        {
            array.Add((JsonNode)new JsonObject
            {
                ["case"] = result.Case,
                ["unit"] = result.Unit,
                ["grid"] = Round(result.Median(CaseResult.Grid)),
                ["peers"] = new JsonObject(result.Peers.Select(peer => KeyValuePair.Create(peer, (JsonNode?)Round(result.Median(peer))))),
                ["ratio"] = new JsonObject(result.Peers.Select(peer => KeyValuePair.Create(peer, (JsonNode?)Round(result.Ratio(peer))))),
            });
        }

        await WriteJsonAsync(path, array, cancellation);
    }

    /// <summary>Writes JSON.</summary>
    /// <param name="path">Where to.</param>
    /// <param name="node">What.</param>
    /// <param name="cancellation">Gives up.</param>
    public static Task WriteJsonAsync(string path, JsonNode node, CancellationToken cancellation) => File.WriteAllTextAsync(path, node.ToJsonString(Indented) + "\n", cancellation);

    /// <summary>A value for people.</summary>
    /// <param name="value">The value.</param>
    public static string Format(double value) => value.ToString(value < 1000 ? "0.0" : "#,0", CultureInfo.InvariantCulture);

    private static string Value(CaseResult result, string target) => $"{Format(result.Median(target))} ±{(result.Spread(target) * 50).ToString("0", CultureInfo.InvariantCulture)}%";

    private static double Round(double value) => Math.Round(value, 3);
}
