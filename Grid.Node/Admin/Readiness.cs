namespace Grid.Node.Admin;

/// <summary>Where a node is in its life.</summary>
public enum NodePhase
{
    /// <summary>Not serving yet.</summary>
    Starting,

    /// <summary>Serving.</summary>
    Serving,

    /// <summary>Asked to stop: answers what it has.</summary>
    Draining,
}

/// <summary>Whether the node is ready: its phase and every check that its parts have added.</summary>
public sealed class Readiness
{
    private readonly Lock _lock = new();
    private IReadinessCheck[] _checks = [];
    private volatile NodePhase _phase;

    /// <summary>Where the node is in its life.</summary>
    public NodePhase Phase
    {
        get => _phase;
        set => _phase = value;
    }

    /// <summary>Adds a check.</summary>
    public void Add(IReadinessCheck check)
    {
        lock (_lock) Volatile.Write(ref _checks, [.. _checks, check]);
    }

    /// <summary>Adds a check made of a name and a function.</summary>
    public void Add(string name, Func<ReadinessResult> check) => Add(new ReadinessCheck(name, check));

    /// <summary>Asks every check.</summary>
    public ReadinessReport Report()
    {
        var phase = Phase;
        var results = new List<NamedReadiness>
        {
            new("phase", phase == NodePhase.Serving, JsonNames.Of(phase)),
        };
        foreach (var check in Volatile.Read(ref _checks))
        {
            var result = check.Check();
            results.Add(new NamedReadiness(check.Name, result.Ready, result.Detail));
        }
        return new ReadinessReport(results.TrueForAll(result => result.Ready), results);
    }
}

/// <summary>One check's answer.</summary>
/// <param name="Name">The check.</param>
/// <param name="Ready">Whether it holds.</param>
/// <param name="Detail">Why not, or something worth showing.</param>
public sealed record NamedReadiness(string Name, bool Ready, string Detail);

/// <summary>All answers together.</summary>
/// <param name="Ready">Whether all checks hold.</param>
/// <param name="Checks">Each check's answer.</param>
public sealed record ReadinessReport(bool Ready, IReadOnlyList<NamedReadiness> Checks);
