using Grid.Protocol;
using Xunit;

namespace Grid.Tests.Harness;

/// <summary>How a test wants its node.</summary>
public sealed record NodeSetup
{
    /// <summary>Settings over <c>hocon/test.conf</c>, as <c>--set key=value</c>.</summary>
    public IReadOnlyDictionary<string, string> Settings { get; init; } = new Dictionary<string, string>();

    /// <summary>Where the node listens.</summary>
    public string Host { get; init; } = "127.0.0.1";

    /// <summary>Environment variables of the process.</summary>
    public IReadOnlyDictionary<string, string> Environment { get; init; } = new Dictionary<string, string>();

    /// <summary>Where the node keeps its data; null: a folder of its own, removed with it.</summary>
    public string? DataDirectory { get; init; }

    /// <summary>A shell line that the node's command is started through with <c>exec</c>, so that limits apply to it and its pid stays; empty: none.</summary>
    public string ShellPrelude { get; init; } = "";

    /// <summary>How long the node may take to serve.</summary>
    public TimeSpan StartDeadline { get; init; } = TimeSpan.FromSeconds(60);

    public static NodeSetup Default { get; } = new();

    /// <summary>A node whose whole process is to stay within this much memory, in MiB.</summary>
    public static NodeSetup WithMemoryLimit(int mebibytes) => Default.With("grid.memory.limit", $"{mebibytes}MiB");

    /// <summary>A node whose journal is in this database; the connection string comes from the environment.</summary>
    public static NodeSetup OnPostgres(string connectionString) => Default.With("grid.journal.provider", "postgresql") with
    {
        Environment = new Dictionary<string, string> { ["GRID__JOURNAL__CONNECTION_STRING"] = connectionString },
    };

    /// <summary>The same on an address of its own with the product's ports, so that it comes back where it was.</summary>
    public NodeSetup At(string host, string name) =>
        With("grid.node.name", name).With("grid.gateway.port", "7070").With("grid.admin.port", "7071").With("grid.cluster.port", "7072") with { Host = host };

    public NodeSetup With(string key, string value) =>
        this with { Settings = new Dictionary<string, string>(Settings) { [key] = value } };
}

/// <summary>The four kinds of pool, for theories.</summary>
public static class Kinds
{
    public static TheoryData<PoolKind, PoolSharing> All { get; } = new()
    {
        { PoolKind.Ephemeral, PoolSharing.Private },
        { PoolKind.Ephemeral, PoolSharing.Shared },
        { PoolKind.Persistent, PoolSharing.Private },
        { PoolKind.Persistent, PoolSharing.Shared },
    };

    public static TheoryData<PoolKind, PoolSharing> Persistent { get; } = new()
    {
        { PoolKind.Persistent, PoolSharing.Private },
        { PoolKind.Persistent, PoolSharing.Shared },
    };

    public static PoolOptions Options(PoolKind kind, PoolSharing sharing) => new() { Kind = kind, Sharing = sharing };
}
