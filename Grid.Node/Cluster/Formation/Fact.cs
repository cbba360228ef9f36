using System.Globalization;

namespace Grid.Node.Cluster.Formation;

/// <summary>Something that must agree on all nodes of a cluster.</summary>
/// <param name="Name">The setting's name, or what it is in words.</param>
/// <param name="Value">Its value as it is shown.</param>
/// <param name="IsRange">The value is "oldest-newest": two agree when they overlap.</param>
internal sealed record Fact(string Name, string Value, bool IsRange = false)
{
    /// <summary>A range of versions.</summary>
    public static Fact Range(string name, int oldest, int newest) => new(name, string.Create(CultureInfo.InvariantCulture, $"{oldest}-{newest}"), true);

    /// <summary>
    /// The first fact that two nodes disagree about; null: none. A fact that only one of them knows counts for nothing: a newer program may know more of them.
    /// </summary>
    public static (Fact Mine, Fact Theirs)? Difference(IReadOnlyList<Fact> mine, IReadOnlyList<Fact> theirs)
    {
        foreach (var own in mine)
        {
            var other = theirs.FirstOrDefault(fact => fact.Name == own.Name);
            if (other != null && !own.Agrees(other)) return (own, other);
        }

        return null;
    }

    private bool Agrees(Fact other)
    {
        if (Value == other.Value) return true;
        return IsRange && TryBounds(Value, out var a) && TryBounds(other.Value, out var b) && a.Oldest <= b.Newest && b.Oldest <= a.Newest;
    }

    private static bool TryBounds(string value, out (int Oldest, int Newest) bounds)
    {
        var parts = value.Split('-');
        bounds = default;
        if (parts.Length != 2
            || !int.TryParse(parts[0], NumberStyles.None, CultureInfo.InvariantCulture, out var oldest)
            || !int.TryParse(parts[1], NumberStyles.None, CultureInfo.InvariantCulture, out var newest)) return false;
        bounds = (oldest, newest);
        return true;
    }
}
