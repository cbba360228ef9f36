using Grid.Protocol;

namespace Grid.Node.Pools;

/// <summary>What a gateway asks of the pool registry; answered with a <see cref="PoolReply"/>.</summary>
/// <param name="Tenant">Who owns the pool.</param>
/// <param name="Name">The pool's name.</param>
internal abstract record PoolCommand(string Tenant, string Name)
{
    /// <summary>Creates a pool, or joins the shared pool of that name and those options.</summary>
    public sealed record Create(string Tenant, string Member, string Name, PoolOptions Options) : PoolCommand(Tenant, Name);

    /// <summary>Finds a pool; joins it where it is shared.</summary>
    public sealed record Open(string Tenant, string Member, string Name) : PoolCommand(Tenant, Name);

    /// <summary>Refuses puts.</summary>
    public sealed record Freeze(string Tenant, string Name) : PoolCommand(Tenant, Name);

    /// <summary>Accepts puts again.</summary>
    public sealed record Thaw(string Tenant, string Name) : PoolCommand(Tenant, Name);

    /// <summary>Destroys a private pool, leaves a shared one.</summary>
    public sealed record Destroy(string Tenant, string Member, string Name) : PoolCommand(Tenant, Name);
}

/// <summary>The registry's answer to a <see cref="PoolCommand"/>.</summary>
/// <param name="Status">The status.</param>
/// <param name="Text">What went wrong, if something did.</param>
/// <param name="Pool">The pool, if there is one now.</param>
internal sealed record PoolReply(Status Status, string Text, PoolInfo? Pool);

/// <summary>What is to be done about a command.</summary>
/// <param name="Event">What to make durable first; null where nothing changes.</param>
/// <param name="Status">The answer after that.</param>
/// <param name="Text">What is wrong with the command, if something is.</param>
/// <param name="Pool">The pool that the command is about, if there is one.</param>
internal readonly record struct PoolDecision(PoolEvent? Event, Status Status, string Text, PoolId Pool)
{
    /// <summary>The command can't be done.</summary>
    public static PoolDecision No(Status status, string text) => new(null, status, text, default);
}
