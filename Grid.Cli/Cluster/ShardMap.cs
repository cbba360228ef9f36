using System.Globalization;
using System.Text;

namespace Grid.Cli.Cluster;

/// <summary>Which node serves which shards.</summary>
internal sealed class ShardMap
{
    private const string Marks = "123456789abcdefghijklmnopqrstuvwxyz";
    private const char Nobody = '.';
    private const char Several = '!';
    private const int PerLine = 64;
    private const int PerGroup = 8;
    private readonly int[] _holders;

    /// <summary>Of what nodes say they serve.</summary>
    /// <param name="count">Shards there are.</param>
    /// <param name="nodes">Names and shards.</param>
    public ShardMap(int count, IEnumerable<(string Name, IReadOnlyList<int> Shards)> nodes)
    {
        Nodes = [.. nodes.Select((node, i) => new ShardHolder(node.Name, MarkOf(i), [.. node.Shards.Where(shard => shard < count).Order()]))];
        _holders = new int[count];
        foreach (var shard in Nodes.SelectMany(node => node.Shards)) _holders[shard]++;
    }

    /// <summary>The nodes.</summary>
    public IReadOnlyList<ShardHolder> Nodes { get; }

    /// <summary>Shards there are.</summary>
    public int Count => _holders.Length;

    /// <summary>Shards that nobody serves: not used yet, or between two nodes.</summary>
    public int Unowned => _holders.Count(holders => holders == 0);

    /// <summary>Shards that two nodes have said they serve: one has just handed it over to the other.</summary>
    public int Moving => _holders.Count(holders => holders > 1);

    /// <summary>What each node would hold if the shards that are served were spread evenly.</summary>
    public double EvenShare => Nodes.Count == 0 ? 0 : (double)(Count - Unowned) / Nodes.Count;

    /// <summary>How far the fullest node is from the emptiest, in percent of the even share.</summary>
    public double SpreadPercent => EvenShare == 0 ? 0 : (Nodes.Max(node => node.Shards.Count) - Nodes.Min(node => node.Shards.Count)) / EvenShare * 100;

    /// <summary>How far a node is from the even share, in percent of it.</summary>
    public double OffPercent(ShardHolder node) => EvenShare == 0 ? 0 : (node.Shards.Count - EvenShare) / EvenShare * 100;

    /// <summary>The map: a sign a shard, 64 a line.</summary>
    public IEnumerable<string> Lines()
    {
        var signs = new char[Count];
        Array.Fill(signs, Nobody);
        foreach (var node in Nodes)
            foreach (var shard in node.Shards) signs[shard] = _holders[shard] > 1 ? Several : node.Mark;
        var digits = Math.Max(3, (Count - 1).ToString(CultureInfo.InvariantCulture).Length);
        for (var first = 0; first < Count; first += PerLine)
        {
            var line = new StringBuilder(first.ToString(CultureInfo.InvariantCulture).PadLeft(digits)).Append(' ');
            for (var shard = first; shard < Math.Min(Count, first + PerLine); shard++)
            {
                if ((shard - first) % PerGroup == 0) line.Append(' ');
                line.Append(signs[shard]);
            }

            yield return line.ToString();
        }
    }

    /// <summary>Numbers as ranges: <c>0-3, 7, 9-10</c>.</summary>
    /// <param name="numbers">In order.</param>
    public static string Ranges(IReadOnlyList<int> numbers)
    {
        var ranges = new List<string>();
        for (var i = 0; i < numbers.Count;)
        {
            var last = i;
            while (last + 1 < numbers.Count && numbers[last + 1] == numbers[last] + 1) last++;
            ranges.Add(last == i ? $"{numbers[i]}" : $"{numbers[i]}-{numbers[last]}");
            i = last + 1;
        }

        return string.Join(", ", ranges);
    }

    private static char MarkOf(int node) => node < Marks.Length ? Marks[node] : '+';
}

/// <summary>A node and the shards it serves.</summary>
/// <param name="Name">The node.</param>
/// <param name="Mark">Its sign on the map.</param>
/// <param name="Shards">In order.</param>
internal sealed record ShardHolder(string Name, char Mark, IReadOnlyList<int> Shards);
