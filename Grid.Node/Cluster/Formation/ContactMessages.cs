namespace Grid.Node.Cluster.Formation;

/// <summary>One run of a node: where the cluster knows it, and the number that is new with every start.</summary>
/// <param name="Address">Akka's whole address, e.g. <c>akka.tcp://grid@db-1:7072</c>.</param>
/// <param name="Uid">Akka's number of the run.</param>
internal readonly record struct Incarnation(string Address, int Uid)
{
    /// <inheritdoc/>
    public override string ToString() => Address;
}

/// <summary>How a node stands to clusters.</summary>
internal enum ContactStanding
{
    /// <summary>In none, and started so recently that it may have promised something in its earlier run.</summary>
    Starting,

    /// <summary>In none.</summary>
    Outside,

    /// <summary>It has formed one that is not established yet: those that promised themselves to it are to join.</summary>
    Forming,

    /// <summary>A member of one that is established.</summary>
    Member,

    /// <summary>On its way into a cluster or out of it.</summary>
    Between,
}

/// <summary>What a question asks for beside the answer.</summary>
internal enum Seeks
{
    /// <summary>Nothing.</summary>
    Nothing,

    /// <summary>The promise to join no cluster that another node forms.</summary>
    Promise,

    /// <summary>The same by a node that has formed a cluster: a promise given is lengthened.</summary>
    Renewal,
}

/// <summary>Who are you, and how do you stand?</summary>
/// <param name="Id">Comes back with the answer.</param>
/// <param name="Asker">Who asks.</param>
/// <param name="Seeks">What it wants.</param>
internal sealed record ContactQuestion(long Id, Incarnation Asker, Seeks Seeks);

/// <summary>A node about itself.</summary>
internal sealed record ContactAnswer
{
    /// <summary>The question's.</summary>
    public required long Id { get; init; }

    /// <summary>Who answers.</summary>
    public required Incarnation Self { get; init; }

    /// <summary>How it stands to clusters.</summary>
    public required ContactStanding Standing { get; init; }

    /// <summary>What must be the same on all nodes.</summary>
    public required IReadOnlyList<Fact> Facts { get; init; }

    /// <summary>Whose promises it counts when it forms a cluster.</summary>
    public required string Electorate { get; init; }

    /// <summary>For so long from now it joins no cluster that another node than the asker forms; 0: no promise.</summary>
    public int PromiseMs { get; init; }

    /// <summary>The members of its cluster that are up and that it reaches, itself first; none unless <see cref="ContactStanding.Member"/>.</summary>
    public IReadOnlyList<Incarnation> Members { get; init; } = [];
}
