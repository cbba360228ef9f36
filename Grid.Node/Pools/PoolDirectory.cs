using System.Collections.Immutable;
using System.Text;
using Grid.Protocol;

namespace Grid.Node.Pools;

/// <summary>A pool in the <see cref="PoolDirectory"/>.</summary>
/// <param name="Info">What everybody may know of it.</param>
/// <param name="Members">The members of a shared pool; empty for a private one.</param>
internal sealed record PoolRecord(PoolInfo Info, ImmutableSortedSet<string> Members);

/// <summary>
/// The registry's state, immutable: what its events add up to, and what a command means in it. No clock, no actor. Pool numbers only grow, so none is ever
/// given twice.
/// </summary>
internal sealed record PoolDirectory
{
    /// <summary>The most members of a shared pool.</summary>
    public const int MaxMembers = 4096;

    /// <summary>The longest name of a tenant or a member, in bytes of UTF-8.</summary>
    public const int MaxIdentityBytes = 128;

    /// <summary>No pools, nothing happened yet.</summary>
    public static PoolDirectory Empty { get; } = new();

    /// <summary>How many events led here.</summary>
    public ulong Version { get; private init; }

    /// <summary>The number of the next pool.</summary>
    public ulong NextId { get; private init; } = 1;

    /// <summary>The living pools by number.</summary>
    public ImmutableDictionary<PoolId, PoolRecord> Pools { get; private init; } = ImmutableDictionary<PoolId, PoolRecord>.Empty;

    /// <summary>The living pools by tenant and name.</summary>
    public ImmutableDictionary<(string Tenant, string Name), PoolId> Names { get; private init; } =
        ImmutableDictionary<(string Tenant, string Name), PoolId>.Empty;

    /// <summary>Destroyed persistent pools that have something in the journal still.</summary>
    public ImmutableSortedSet<ulong> Unswept { get; private init; } = ImmutableSortedSet<ulong>.Empty;

    /// <summary>The state after an event.</summary>
    /// <exception cref="InvalidDataException">The event can't follow what came before it: the journal is not what the registry wrote.</exception>
    public PoolDirectory Apply(PoolEvent happened)
    {
        var next = this with { Version = Version + 1 };
        switch (happened)
        {
            case PoolEvent.Fenced:
                return next;
            case PoolEvent.Created created:
                return Create(next, created);
            case PoolEvent.Joined joined:
                return WithMembers(next, joined.Pool, members => members.Add(joined.Member));
            case PoolEvent.Left left:
                return WithMembers(next, left.Pool, members => members.Remove(left.Member));
            case PoolEvent.Frozen frozen:
                return WithFrozen(next, frozen.Pool, true);
            case PoolEvent.Thawed thawed:
                return WithFrozen(next, thawed.Pool, false);
            case PoolEvent.Destroyed destroyed:
                var info = Get(destroyed.Pool).Info;
                return next with
                {
                    Pools = Pools.Remove(info.Id),
                    Names = Names.Remove((info.Tenant, info.Name)),
                    Unswept = info.Options.Kind == PoolKind.Persistent ? Unswept.Add(info.Id.Value) : Unswept,
                };
            case PoolEvent.Swept swept:
                return next with { Unswept = Unswept.Remove(swept.Pool.Value) };
            default:
                throw new InvalidDataException($"the registry's event {Version + 1} is of an unknown kind {happened.GetType().Name}");
        }
    }

    /// <summary>What a command means in this state.</summary>
    /// <param name="command">The command.</param>
    /// <param name="maxPools">The most pools there may be.</param>
    public PoolDecision Decide(PoolCommand command, int maxPools)
    {
        if (Validate(command) is { } wrong) return PoolDecision.No(Status.BadArgument, wrong);
        if (command is PoolCommand.Create create) return Decide(create, maxPools);
        if (!Names.TryGetValue((command.Tenant, command.Name), out var id))
            return PoolDecision.No(Status.NoSuchPool, $"there is no pool '{command.Name}'");
        var pool = Pools[id];
        return command switch
        {
            PoolCommand.Open open => Join(pool, open.Member),
            PoolCommand.Freeze => Done(pool, pool.Info.Frozen ? null : new PoolEvent.Frozen(id)),
            PoolCommand.Thaw => Done(pool, pool.Info.Frozen ? new PoolEvent.Thawed(id) : null),
            PoolCommand.Destroy destroy => Leave(pool, destroy.Member),
            _ => throw new ArgumentException($"{command.GetType().Name} is no command of pools", nameof(command)),
        };
    }

    private PoolDecision Decide(PoolCommand.Create create, int maxPools)
    {
        if (Names.TryGetValue((create.Tenant, create.Name), out var id))
        {
            var pool = Pools[id];
            if (pool.Info.Options.Sharing == PoolSharing.Private) return PoolDecision.No(Status.PoolExists, $"pool '{create.Name}' exists already and is private");
            return pool.Info.Options == create.Options
                ? Join(pool, create.Member)
                : PoolDecision.No(Status.PoolExists, $"pool '{create.Name}' exists already, with other options");
        }

        if (Pools.Count >= maxPools) return PoolDecision.No(Status.FailedNotApplied, $"there are {Pools.Count} pools already, and that is the limit");
        var created = new PoolEvent.Created(new PoolId(NextId), create.Tenant, create.Name, create.Options, create.Member);
        return new PoolDecision(created, Status.Ok, "", created.Pool);
    }

    private static PoolDecision Join(PoolRecord pool, string member)
    {
        if (pool.Info.Options.Sharing == PoolSharing.Private || pool.Members.Contains(member)) return Done(pool, null);
        return pool.Members.Count >= MaxMembers
            ? PoolDecision.No(Status.FailedNotApplied, $"pool '{pool.Info.Name}' has {pool.Members.Count} members already, and that is the limit")
            : Done(pool, new PoolEvent.Joined(pool.Info.Id, member));
    }

    private static PoolDecision Leave(PoolRecord pool, string member)
    {
        if (pool.Info.Options.Sharing == PoolSharing.Private) return Done(pool, new PoolEvent.Destroyed(pool.Info.Id));
        if (!pool.Members.Contains(member))
            return PoolDecision.No(Status.NotAllowed, $"'{member}' is not a member of pool '{pool.Info.Name}' and so can't leave it");
        return Done(pool, pool.Members.Count == 1 ? new PoolEvent.Destroyed(pool.Info.Id) : new PoolEvent.Left(pool.Info.Id, member));
    }

    private static PoolDecision Done(PoolRecord pool, PoolEvent? happened) => new(happened, Status.Ok, "", pool.Info.Id);

    private static string? Validate(PoolCommand command) =>
        PoolOptions.ValidateName(command.Name)
        ?? ValidateIdentity("tenant", command.Tenant)
        ?? command switch
        {
            PoolCommand.Create create => ValidateIdentity("member", create.Member) ?? create.Options.Validate(),
            PoolCommand.Open open => ValidateIdentity("member", open.Member),
            PoolCommand.Destroy destroy => ValidateIdentity("member", destroy.Member),
            _ => null,
        };

    private static string? ValidateIdentity(string what, string value) =>
        value.Length == 0 ? $"the {what} must not be empty"
        : Encoding.UTF8.GetByteCount(value) > MaxIdentityBytes ? $"the {what} exceeds {MaxIdentityBytes} bytes"
        : null;

    private PoolDirectory Create(PoolDirectory next, PoolEvent.Created created)
    {
        if (created.Pool.Value < NextId) throw Impossible($"creates pool {created.Pool}, a number given before");
        var name = (created.Tenant, created.Name);
        if (Names.ContainsKey(name)) throw Impossible($"creates pool '{created.Name}', which lives already");
        var isShared = created.Options.Sharing == PoolSharing.Shared;
        var info = new PoolInfo(created.Pool, created.Name, created.Tenant, created.Options, Frozen: false, Members: 1);
        var members = ImmutableSortedSet.Create<string>(StringComparer.Ordinal);
        return next with
        {
            NextId = created.Pool.Value + 1,
            Pools = Pools.Add(created.Pool, new PoolRecord(info, isShared ? members.Add(created.Member) : members)),
            Names = Names.Add(name, created.Pool),
        };
    }

    private PoolDirectory WithMembers(PoolDirectory next, PoolId id, Func<ImmutableSortedSet<string>, ImmutableSortedSet<string>> change)
    {
        var pool = Get(id);
        var members = change(pool.Members);
        if (pool.Info.Options.Sharing == PoolSharing.Private || members.IsEmpty) throw Impossible($"changes the members of pool {id}");
        return next with { Pools = Pools.SetItem(id, new PoolRecord(pool.Info with { Members = members.Count }, members)) };
    }

    private PoolDirectory WithFrozen(PoolDirectory next, PoolId id, bool frozen)
    {
        var pool = Get(id);
        return next with { Pools = Pools.SetItem(id, pool with { Info = pool.Info with { Frozen = frozen } }) };
    }

    private PoolRecord Get(PoolId id) => Pools.GetValueOrDefault(id) ?? throw Impossible($"is about pool {id}, which does not live");

    private InvalidDataException Impossible(string what) => new($"the registry's event {Version + 1} {what}: its journal is not what it wrote");
}
