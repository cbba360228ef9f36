namespace Grid.Node.Hosting;

/// <summary>Finds what somebody may have meant.</summary>
internal static class Spelling
{
    /// <summary>The candidate that takes the fewest edits; of equals the one whose last part is nearest.</summary>
    public static string Nearest(string name, IEnumerable<string> candidates)
    {
        return candidates
            .OrderBy(candidate => Math.Min(Distance(name, candidate), 2 + 2 * Distance(Last(name), Last(candidate))))
            .ThenBy(candidate => Distance(Last(name), Last(candidate)))
            .ThenBy(candidate => candidate, StringComparer.Ordinal)
            .First();
    }

    private static string Last(string path)
    {
        return path[(path.LastIndexOf('.') + 1)..];
    }

    private static int Distance(string a, string b)
    {
        var previous = Enumerable.Range(0, b.Length + 1).ToArray();
        var current = new int[b.Length + 1];
        for (var i = 1; i <= a.Length; i++)
        {
            current[0] = i;
            for (var j = 1; j <= b.Length; j++)
                current[j] = Math.Min(Math.Min(previous[j], current[j - 1]) + 1, previous[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1));
            (previous, current) = (current, previous);
        }
        return previous[b.Length];
    }
}
