using CsCheck;
using Grid.Node.Pools;
using Grid.Protocol;
using Xunit;

namespace Grid.Tests.Pools;

/// <summary>The registry's state against a naive model of it, on random commands.</summary>
public sealed class PoolDirectoryTests
{
    private const int MaxPools = 6;

    private static readonly Gen<string> Tenants = OneOf("red", "blue");
    private static readonly Gen<string> Names = OneOf("a", "b", "c", "d", "e");
    private static readonly Gen<string> Members = OneOf("ann", "bob", "eve");

    private static readonly Gen<PoolOptions> Options =
        Gen.Select(Gen.Enum<PoolKind>(), Gen.Enum<PoolSharing>(), OneOf(4096, 8192), (kind, sharing, bytes) =>
            new PoolOptions { Kind = kind, Sharing = sharing, PageSizeBytes = bytes });

    private static readonly Gen<PoolCommand> Commands = Gen.OneOf<PoolCommand>(
        Gen.Select(Tenants, Members, Names, Options, (tenant, member, name, options) => (PoolCommand)new PoolCommand.Create(tenant, member, name, options)),
        Gen.Select(Tenants, Members, Names, (tenant, member, name) => (PoolCommand)new PoolCommand.Open(tenant, member, name)),
        Gen.Select(Tenants, Names, (tenant, name) => (PoolCommand)new PoolCommand.Freeze(tenant, name)),
        Gen.Select(Tenants, Names, (tenant, name) => (PoolCommand)new PoolCommand.Thaw(tenant, name)),
        Gen.Select(Tenants, Members, Names, (tenant, member, name) => (PoolCommand)new PoolCommand.Destroy(tenant, member, name)));

    private static Gen<T> OneOf<T>(params T[] values) => Gen.Int[0, values.Length - 1].Select(i => values[i]);

    [Fact]
    public void Commands_do_what_the_model_does() => Commands.Array[0, 60].Sample(commands =>
    {
        var model = new Model();
        var directory = PoolDirectory.Empty;
        foreach (var command in commands)
        {
            var decision = directory.Decide(command, MaxPools);
            if (decision.Event is not null)
            {
                Assert.Equal(Status.Ok, decision.Status);
                directory = directory.Apply(decision.Event);
            }

            Assert.Equal(model.Run(command), decision.Status);
            model.AssertIs(directory);
        }
    });

    [Fact]
    public void Replaying_the_events_gives_the_same_state_and_versions_count_them() => Commands.Array[0, 60].Sample(commands =>
    {
        var events = new List<PoolEvent>();
        var directory = PoolDirectory.Empty;
        foreach (var command in commands)
        {
            if (directory.Decide(command, MaxPools).Event is not { } happened) continue;
            events.Add(happened);
            directory = directory.Apply(happened);
        }

        var replayed = events.Aggregate(PoolDirectory.Empty, (state, happened) => state.Apply(happened));
        Assert.Equal((ulong)events.Count, replayed.Version);
        Assert.Equal(directory.NextId, replayed.NextId);
        Assert.Equal(directory.Unswept, replayed.Unswept);
        Assert.Equal(directory.Pools.Keys.OrderBy(id => id.Value), replayed.Pools.Keys.OrderBy(id => id.Value));
        foreach (var (id, pool) in directory.Pools)
        {
            Assert.Equal(pool.Info, replayed.Pools[id].Info);
            Assert.Equal(pool.Members, replayed.Pools[id].Members);
        }
    });

    [Fact]
    public void A_command_that_succeeded_changes_nothing_the_second_time_unless_it_destroys() => Commands.Array[1, 40].Sample(commands =>
    {
        var directory = PoolDirectory.Empty;
        foreach (var command in commands)
        {
            if (directory.Decide(command, MaxPools).Event is not { } happened) continue;
            directory = directory.Apply(happened);
            if (command is PoolCommand.Destroy) continue;
            Assert.Null(directory.Decide(command, MaxPools).Event);
        }
    });

    [Fact]
    public void An_event_that_cannot_follow_is_refused_and_says_which_it_is()
    {
        var one = PoolDirectory.Empty.Apply(new PoolEvent.Created(new PoolId(1), "t", "a", new PoolOptions(), "m"));
        PoolEvent[] impossible =
        [
            new PoolEvent.Created(new PoolId(1), "t", "b", new PoolOptions(), "m"),
            new PoolEvent.Created(new PoolId(2), "t", "a", new PoolOptions(), "m"),
            new PoolEvent.Joined(new PoolId(1), "m2"),
            new PoolEvent.Left(new PoolId(1), "m"),
            new PoolEvent.Frozen(new PoolId(2)),
            new PoolEvent.Destroyed(new PoolId(2)),
        ];
        Assert.All(impossible, happened => Assert.Contains("event 2", Assert.Throws<InvalidDataException>(() => one.Apply(happened)).Message, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("", "ann", "a", "tenant")]
    [InlineData("t", "", "a", "member")]
    [InlineData("t", "ann", "a b", "name")]
    [InlineData("t", "ann", "", "name")]
    public void Wrong_arguments_are_named(string tenant, string member, string name, string named)
    {
        var decision = PoolDirectory.Empty.Decide(new PoolCommand.Create(tenant, member, name, new PoolOptions()), MaxPools);
        Assert.Equal(Status.BadArgument, decision.Status);
        Assert.Contains(named, decision.Text, StringComparison.Ordinal);
    }

    [Fact]
    public void A_shared_pool_has_a_most_number_of_members()
    {
        var directory = PoolDirectory.Empty.Apply(new PoolEvent.Created(new PoolId(1), "t", "a", new PoolOptions { Sharing = PoolSharing.Shared }, "m0"));
        for (var i = 1; i < PoolDirectory.MaxMembers; i++) directory = directory.Apply(new PoolEvent.Joined(new PoolId(1), $"m{i}"));
        Assert.Equal(Status.FailedNotApplied, directory.Decide(new PoolCommand.Open("t", "one-more", "a"), MaxPools).Status);
        Assert.Equal(Status.Ok, directory.Decide(new PoolCommand.Open("t", "m7", "a"), MaxPools).Status);
    }

    /// <summary>What pools are, written down as plainly as can be.</summary>
    private sealed class Model
    {
        private readonly List<ModelPool> _pools = [];
        private readonly HashSet<ulong> _destroyedPersistent = [];
        private ulong _lastId;

        public Status Run(PoolCommand command)
        {
            var pool = _pools.Find(pool => pool.Tenant == command.Tenant && pool.Name == command.Name);
            switch (command)
            {
                case PoolCommand.Create create when pool is null:
                    if (_pools.Count == MaxPools) return Status.FailedNotApplied;
                    _pools.Add(new ModelPool(++_lastId, create.Tenant, create.Name, create.Options) { Members = { create.Member } });
                    return Status.Ok;
                case PoolCommand.Create create:
                    if (pool.Options.Sharing == PoolSharing.Private || pool.Options != create.Options) return Status.PoolExists;
                    pool.Members.Add(create.Member);
                    return Status.Ok;
                case not null when pool is null:
                    return Status.NoSuchPool;
                case PoolCommand.Open open:
                    if (pool.Options.Sharing == PoolSharing.Shared) pool.Members.Add(open.Member);
                    return Status.Ok;
                case PoolCommand.Freeze or PoolCommand.Thaw:
                    pool.Frozen = command is PoolCommand.Freeze;
                    return Status.Ok;
                case PoolCommand.Destroy destroy:
                    if (pool.Options.Sharing == PoolSharing.Shared && !pool.Members.Remove(destroy.Member)) return Status.NotAllowed;
                    if (pool.Options.Sharing == PoolSharing.Shared && pool.Members.Count > 0) return Status.Ok;
                    _pools.Remove(pool);
                    if (pool.Options.Kind == PoolKind.Persistent) _destroyedPersistent.Add(pool.Id);
                    return Status.Ok;
                default:
                    throw new ArgumentException($"{command}");
            }
        }

        public void AssertIs(PoolDirectory directory)
        {
            Assert.Equal(_lastId + 1, directory.NextId);
            Assert.Equal(_destroyedPersistent.Order(), directory.Unswept.Order());
            Assert.Equal(_pools.Count, directory.Pools.Count);
            Assert.Equal(_pools.Count, directory.Names.Count);
            foreach (var pool in _pools)
            {
                var id = directory.Names[(pool.Tenant, pool.Name)];
                Assert.Equal(pool.Id, id.Value);
                var members = pool.Options.Sharing == PoolSharing.Shared ? pool.Members.Count : 1;
                Assert.Equal(new PoolInfo(id, pool.Name, pool.Tenant, pool.Options, pool.Frozen, members), directory.Pools[id].Info);
            }
        }
    }

    private sealed record ModelPool(ulong Id, string Tenant, string Name, PoolOptions Options)
    {
        public HashSet<string> Members { get; } = [];

        public bool Frozen { get; set; }
    }
}
