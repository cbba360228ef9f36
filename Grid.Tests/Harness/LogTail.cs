using System.Text;

namespace Grid.Tests.Harness;

/// <summary>What a process printed, the newest lines of it, with a count of all.</summary>
public sealed class LogTail(int capacity = 400)
{
    private readonly Queue<string> _lines = new();
    private readonly Lock _lock = new();
    private long _count;

    /// <summary>Lines printed so far.</summary>
    public long Count
    {
        get
        {
            lock (_lock) return _count;
        }
    }

    public void Add(string line)
    {
        lock (_lock)
        {
            _count++;
            _lines.Enqueue(line);
            if (_lines.Count > capacity) _lines.Dequeue();
        }
    }

    public string[] Lines()
    {
        lock (_lock) return [.. _lines];
    }

    public bool Contains(string text) => Lines().Any(line => line.Contains(text, StringComparison.OrdinalIgnoreCase));

    /// <summary>The last lines, for a failure's message.</summary>
    public string Tail(int lines = 60)
    {
        var all = Lines();
        var text = new StringBuilder();
        foreach (var line in all.Skip(Math.Max(0, all.Length - lines))) text.Append("  | ").AppendLine(line);
        return text.ToString();
    }
}
