using System.Globalization;

namespace Grid.Tests.Chaos.Bed;

/// <summary>What one occurrence of a fault did.</summary>
/// <param name="Fault">Its name.</param>
/// <param name="Operations">Calls that ended since it began, until the cluster was whole again.</param>
/// <param name="NotApplied">Of these: failed, not applied.</param>
/// <param name="Unknown">Of these: outcome unknown.</param>
/// <param name="LongestOutage">The longest time in which an object answered nobody who asked.</param>
/// <param name="TimeToHeal">From its end until every object had answered a get and a put.</param>
/// <param name="TimeToWhole">From its end until every node served and saw all others.</param>
internal sealed record FaultReport(string Fault, int Operations, int NotApplied, int Unknown, TimeSpan LongestOutage, TimeSpan TimeToHeal, TimeSpan TimeToWhole)
{
    public override string ToString() => string.Create(
        CultureInfo.InvariantCulture,
        $"{Fault}: {Operations} operations, {NotApplied} not applied, {Unknown} unknown, longest outage {LongestOutage.TotalSeconds:0.0} s, healed after {TimeToHeal.TotalSeconds:0.0} s, whole after {TimeToWhole.TotalSeconds:0.0} s");

    /// <summary>A table with a row for each fault: sums, and the worst of its times.</summary>
    public static string Table(IEnumerable<FaultReport> reports)
    {
        var rows = reports.GroupBy(report => report.Fault).OrderBy(fault => fault.Key, StringComparer.Ordinal).Select(fault => string.Create(
            CultureInfo.InvariantCulture,
            $"| {fault.Key} | {fault.Count()} | {fault.Sum(report => report.Operations)} | {fault.Sum(report => report.NotApplied)} | {fault.Sum(report => report.Unknown)} | {fault.Max(report => report.LongestOutage).TotalSeconds:0.0} s | {fault.Max(report => report.TimeToHeal).TotalSeconds:0.0} s | {fault.Max(report => report.TimeToWhole).TotalSeconds:0.0} s |"));
        return $"| fault | times | operations | not applied | unknown | longest outage | time to heal | whole again |\n|---|---|---|---|---|---|---|---|\n{string.Join('\n', rows)}";
    }
}
