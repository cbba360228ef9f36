namespace Grid.Bench.Commands;

/// <summary>The rounds of a case, by target.</summary>
/// <param name="Case">The case's name.</param>
/// <param name="Unit">What the values are.</param>
/// <param name="LowerIsBetter">Whether a smaller value is better.</param>
internal sealed record CaseResult(string Case, string Unit, bool LowerIsBetter)
{
    /// <summary>The Grid's name among the targets.</summary>
    public const string Grid = "grid";

    private readonly Dictionary<string, List<double>> _rounds = [];

    /// <summary>The peers that took part.</summary>
    public IEnumerable<string> Peers => _rounds.Keys.Where(name => name != Grid);

    /// <summary>Adds a round.</summary>
    /// <param name="target">The target.</param>
    /// <param name="value">Its value.</param>
    public void Add(string target, double value)
    {
        if (!_rounds.TryGetValue(target, out var values)) _rounds[target] = values = [];
        values.Add(value);
    }

    /// <summary>A target's last round.</summary>
    /// <param name="target">The target.</param>
    public double Last(string target) => _rounds[target][^1];

    /// <summary>A target's median over the rounds.</summary>
    /// <param name="target">The target.</param>
    public double Median(string target)
    {
        var values = _rounds[target].Order().ToArray();
        var middle = values.Length / 2;
        return values.Length % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
    }

    /// <summary>How far a target's rounds lie apart, as a part of their median.</summary>
    /// <param name="target">The target.</param>
    public double Spread(string target) => (_rounds[target].Max() - _rounds[target].Min()) / Median(target);

    /// <summary>How many times better than a peer the Grid is: above 1 it is better, whatever the unit.</summary>
    /// <param name="peer">The peer.</param>
    public double Ratio(string peer) => LowerIsBetter ? Median(peer) / Median(Grid) : Median(Grid) / Median(peer);
}
