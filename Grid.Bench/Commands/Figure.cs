using System.Globalization;
using System.Text.Json.Nodes;

namespace Grid.Bench.Commands;

/// <summary>A figure of a run that has no peer, and the bound that it must keep, if any.</summary>
/// <param name="Case">What was measured, on what.</param>
/// <param name="Unit">The unit.</param>
/// <param name="Value">The figure.</param>
/// <param name="AtMost">It must not be above.</param>
/// <param name="AtLeast">It must not be below.</param>
internal sealed record Figure(string Case, string Unit, double Value, double? AtMost = null, double? AtLeast = null)
{
    /// <summary>Whether its bound is kept.</summary>
    public bool Holds => !(Value > AtMost) && !(Value < AtLeast);

    private string Bound => (AtMost, AtLeast) switch
    {
        ({ } most, _) => $"<= {Text(most)}",
        (_, { } least) => $">= {Text(least)}",
        _ => "",
    };

    /// <summary>A figure that is shown as soon as it is there, for a run that takes long.</summary>
    public static Figure Told(string what, string unit, double value, double? atMost = null, double? atLeast = null)
    {
        Console.Error.WriteLine($"{what} {value.ToString("0.##", CultureInfo.InvariantCulture)} {unit}");
        return new Figure(what, unit, value, atMost, atLeast);
    }

    /// <summary>Prints figures as a table, writes them as JSON where asked for, and gives the exit code: 1 where a bound is missed.</summary>
    /// <param name="figures">The figures.</param>
    /// <param name="jsonPath">Where the JSON goes; null: nowhere.</param>
    /// <param name="cancellation">Gives up.</param>
    public static async Task<int> ReportAsync(IReadOnlyList<Figure> figures, string? jsonPath, CancellationToken cancellation)
    {
        var rows = new List<string[]> { (string[])["case", "unit", "grid", "bound", ""] };
        rows.AddRange(figures.Select(figure => (string[])[figure.Case, figure.Unit, Text(figure.Value), figure.Bound, figure.Holds ? "" : "MISSED"]));
        Report.WriteColumns(Console.Out, rows);
        if (jsonPath != null) await Report.WriteJsonAsync(jsonPath, new JsonArray([.. figures.Select(figure => (JsonNode)figure.ToJson())]), cancellation);
        return figures.All(figure => figure.Holds) ? 0 : 1;
    }

    private static string Text(double value) => value.ToString(Math.Abs(value) < 100 ? "0.00" : "#,0", CultureInfo.InvariantCulture);

    private JsonObject ToJson() => new()
    {
        ["case"] = Case,
        ["unit"] = Unit,
        ["grid"] = Math.Round(Value, 3),
        ["bound"] = Bound,
        ["holds"] = Holds,
    };
}
