namespace Grid.Node.Admin;

/// <summary>Something that must hold for the node to be ready, as /health/ready lists it.</summary>
public interface IReadinessCheck
{
    /// <summary>A short name: <c>cluster</c>, <c>pools</c>, <c>journal</c>.</summary>
    string Name { get; }

    /// <summary>Says whether it holds right now. Answers at once from what is known: it neither waits nor throws.</summary>
    ReadinessResult Check();
}

/// <summary>What a check found.</summary>
/// <param name="Ready">Whether it holds.</param>
/// <param name="Detail">Why not, or something worth showing.</param>
public readonly record struct ReadinessResult(bool Ready, string Detail)
{
    /// <summary>It holds.</summary>
    public static ReadinessResult Ok(string detail = "") => new(true, detail);

    /// <summary>It does not hold.</summary>
    /// <param name="reason">Why not, for the operator.</param>
    public static ReadinessResult NotReady(string reason) => new(false, reason);
}

/// <summary>A check made of a name and a function.</summary>
/// <param name="name">Its name.</param>
/// <param name="check">What says whether it holds.</param>
public sealed class ReadinessCheck(string name, Func<ReadinessResult> check) : IReadinessCheck
{
    /// <inheritdoc/>
    public string Name { get; } = name;

    /// <inheritdoc/>
    public ReadinessResult Check() => check();
}
