namespace Grid.Node.Journal;

/// <summary>Which database keeps persistent pools.</summary>
public enum JournalProvider
{
    /// <summary>A file of this node.</summary>
    Sqlite,

    /// <summary>A server shared by all nodes.</summary>
    PostgreSql,
}

/// <summary>Where and how the journal is kept.</summary>
public sealed record JournalOptions
{
    /// <summary>The database.</summary>
    public JournalProvider Provider { get; init; } = JournalProvider.Sqlite;

    /// <summary>SQLite: full path of the file. Its directory must be there.</summary>
    public string Path { get; init; } = "";

    /// <summary>PostgreSQL: the connection string. Secret.</summary>
    public string ConnectionString { get; init; } = "";

    /// <summary>Size that one event of an object is filled to, in page bytes.</summary>
    public int EventTargetBytes { get; init; } = 256 << 10;

    /// <summary>How long a write may take before its outcome is called unknown.</summary>
    public TimeSpan WriteTimeout { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>Threads that the node's own reads run on, each with its connection.</summary>
    public int ReadThreads { get; init; } = 2;

    /// <summary>Reads that may wait for a thread; further ones fail with <see cref="JournalUnavailableException"/>.</summary>
    public int MaxQueuedReads { get; init; } = 4096;

    /// <summary>Where the journal is; nothing secret.</summary>
    public override string ToString() => Provider == JournalProvider.Sqlite ? $"sqlite {Path}" : "postgresql";
}
