using System.Buffers;
using Grid.Node.Admin;
using Grid.Node.Cluster;
using Grid.Node.Gateway;
using Grid.Node.Memory;
using Grid.Node.Objects;
using Grid.Node.Pools;
using Grid.Protocol;
using Grid.Tests.Client.Support;
using Grid.Tests.Harness;
using Xunit;

namespace Grid.Tests.Gateway;

/// <summary>What a node tells a client that it forwards for when the owner answers, has moved, is gone, breaks off, or is of an older version.</summary>
public sealed class ForwarderTests : ClientTest, IDisposable
{
    private const string Self = "127.0.0.1:1";
    private readonly PageStore _store = new(new PageStoreOptions(64 << 20));
    private readonly GridMetrics _metrics = new();
    private readonly PeerClients _peers;
    private readonly ShardWhereabouts _whereabouts = new(new ShardTable(128));
    private readonly Forwarder _forwarder;
    private readonly HelloRequest _client = new() { Session = Guid.NewGuid(), Epoch = 9, SingleAddress = true };

    public ForwarderTests()
    {
        _peers = Own(new PeerClients());
        _forwarder = new Forwarder(_peers, _whereabouts, _store, _metrics, Self);
    }

    public void Dispose()
    {
        _store.Dispose();
        _metrics.Dispose();
        GC.SuppressFinalize(this);
    }

    [Fact]
    public async Task The_owner_gets_the_session_and_its_answer_comes_back_whole()
    {
        var owner = StartNode();
        NodeRequest? seen = null;
        owner.Script = request =>
        {
            seen = request;
            return ValueTask.FromResult(false);
        };
        var stored = await ForwardAsync(owner, Opcode.Put, Pages.Random(3));
        Assert.Equal((Status.Ok, true), (stored.Status, stored.IsForwarded));
        Assert.Equal((_client.Session, 9ul, RequestFlags.Forwarded), (seen!.Head.Session, seen.Head.Epoch, seen.Flags));
        Assert.Equal(PeerAgent.Name, owner.Hellos.Single().Agent);
        var got = await ForwardAsync(owner, Opcode.Get);
        Assert.Equal(Pages.Random(3), got.Body![ObjectVersion.SizeBytes..]);
        Assert.Equal(2, Hosting.GridMetricsTests.Observe(_metrics, "grid.gateway.forwarded").Single().Value);
    }

    [Fact]
    public async Task Who_has_moved_is_followed_and_remembered_but_not_in_circles()
    {
        var grid = new MemoryGrid();
        var (first, second) = (StartNode(grid), StartNode(grid));
        first.Script = async request =>
        {
            await request.FailAsync(Status.Moved, second.Address);
            return true;
        };
        Assert.Equal(Status.Ok, (await ForwardAsync(first, Opcode.Put, Pages.Random(1))).Status);
        Assert.Equal(second.Address, _whereabouts.Elsewhere(Key));

        second.Script = async request =>
        {
            await request.FailAsync(Status.Moved, first.Address);
            return true;
        };
        var lost = await ForwardAsync(first, Opcode.Put, Pages.Random(2));
        Assert.Equal(Status.NotServing, lost.Status);
        Assert.Null(_whereabouts.Elsewhere(Key));

        // The owner believes that this node is the owner: the client comes again, and it is served here.
        first.Script = async request =>
        {
            await request.FailAsync(Status.Moved, Self);
            return true;
        };
        Assert.Equal(Status.NotServing, (await ForwardAsync(first, Opcode.Put, Pages.Random(2))).Status);
    }

    [Fact]
    public async Task What_the_owner_refuses_is_told_as_it_told_it()
    {
        var owner = StartNode();
        owner.Script = async request =>
        {
            await request.FailAsync(Status.NoSuchPool, "pool 7 does not exist");
            return true;
        };
        var failed = await ForwardAsync(owner, Opcode.Put, Pages.Random(1));
        Assert.Equal((Status.NoSuchPool, "pool 7 does not exist"), (failed.Status, failed.Text));
        owner.Script = async request =>
        {
            await request.AnswerObjectAsync(Status.Refused, new ObjectVersion(1, 2), detail: (byte)RefusalReason.Quota);
            return true;
        };
        var refused = await ForwardAsync(owner, Opcode.Put, Pages.Random(1));
        Assert.Equal((Status.Refused, RefusalReason.Quota), (refused.Status, refused.AnswerDetail));
    }

    /// <summary>Whether the owner carried it out cannot be known: a put is unknown, and nobody sends it again.</summary>
    [Theory]
    [InlineData(Opcode.Put, Status.FailedUnknown)]
    [InlineData(Opcode.FlushObject, Status.FailedUnknown)]
    [InlineData(Opcode.Get, Status.NotServing)]
    public async Task An_owner_that_breaks_off_leaves_only_what_had_an_effect_unknown(Opcode opcode, Status expected)
    {
        var owner = StartNode();
        var asked = 0;
        owner.Script = request =>
        {
            asked++;
            owner.RefuseHello = (Status.NotServing, "going down");
            request.Connection.Cut();
            return ValueTask.FromResult(true);
        };
        Assert.Equal(expected, (await ForwardAsync(owner, opcode, opcode == Opcode.Put ? Pages.Random(1) : null)).Status);
        Assert.Equal(1, asked);
    }

    [Fact]
    public async Task An_owner_that_is_not_there_is_not_served_at_once_and_reached_when_it_is_back()
    {
        var grid = new MemoryGrid();
        int port;
        await using (var gone = ScriptedNode.Start(grid))
        {
            port = gone.Port;
            Assert.Equal(Status.Ok, (await ForwardAsync(gone.Address, Opcode.Put, Pages.Random(1))).Status);
        }

        var clock = System.Diagnostics.Stopwatch.StartNew();
        // A get: of a put that went out before the connection's end was noticed nothing would be known.
        Assert.Equal(Status.NotServing, (await ForwardAsync($"127.0.0.1:{port}", Opcode.Get)).Status);
        Assert.True(clock.Elapsed < TimeSpan.FromSeconds(5), $"told after {clock.Elapsed}");
        Own(ScriptedNode.Start(grid, port));
        await Eventually.TrueAsync(async () => (await ForwardAsync($"127.0.0.1:{port}", Opcode.Get)).Status == Status.Ok, "it is reached again", Patience);
    }

    [Fact]
    public async Task An_owner_of_a_version_that_does_not_forward_is_named()
    {
        var owner = StartNode();
        owner.Hello = owner.Hello with { Version = 1 };
        var failed = await ForwardAsync(owner, Opcode.Get);
        Assert.Equal(Status.NotServing, failed.Status);
        Assert.Contains("version 1", failed.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_is_held_is_bounded_and_let_go_of()
    {
        var owner = StartNode();
        var answer = new TaskCompletionSource();
        owner.Script = async request =>
        {
            await answer.Task;
            return false;
        };
        var entries = Enumerable.Range(0, 256).SelectMany(i => BitConverter.GetBytes(i)).ToArray();
        var asked = Enumerable.Range(0, 100).Select(_ => ForwardAsync(owner, Opcode.GetBatch, entries, count: 256)).ToArray();
        await Until(() => asked.Any(one => one.IsCompleted), "some are sent away");
        Assert.InRange(_forwarder.HeldBytes, 1, 64 << 20);
        Assert.True(_store.Stats.ReservedBytes >= _forwarder.HeldBytes);
        answer.SetResult();
        var statuses = (await Task.WhenAll(asked)).GroupBy(one => one.Status).ToDictionary(group => group.Key, group => group.Count());
        Assert.Equal([Status.Ok, Status.NotServing], statuses.Keys.Order());
        Assert.Equal((0, 0), (_forwarder.HeldBytes, _store.Stats.ReservedBytes));
    }

    [Fact]
    public async Task The_client_of_a_node_that_left_is_closed_and_of_one_that_stays_is_not()
    {
        var (gone, stays) = (StartNode(), StartNode());
        foreach (var node in (ScriptedNode[])[gone, stays]) Assert.Equal(Status.Miss, (await ForwardAsync(node, Opcode.Get)).Status);
        HashSet<string> members = [stays.Address];
        var keptMs = (long)PeerClients.KeptFor.TotalMilliseconds;
        _peers.Keep(members, 1000);
        _peers.Keep(members, 1000 + keptMs - 1);
        Assert.Equal(2, _peers.Count);
        _peers.Keep(members, 1000 + keptMs);
        Assert.Equal(1, _peers.Count);
        await Until(() => gone.Connections.Count == 0 && stays.Connections.Count == 1, "the connection is closed");
        Assert.Equal(Status.Miss, (await ForwardAsync(gone, Opcode.Get)).Status);
    }

    private static ObjectKey Key => new(new PoolId(1), Object);

    private Task<ObjectRequest> ForwardAsync(ScriptedNode owner, Opcode opcode, byte[]? rest = null, int? count = null) => ForwardAsync(owner.Address, opcode, rest, count);

    private async Task<ObjectRequest> ForwardAsync(string owner, Opcode opcode, byte[]? rest = null, int? count = null)
    {
        rest ??= [];
        var body = new byte[ObjectRequestHead.FixedBytes + rest.Length];
        new ObjectRequestHead(Key.Pool, Key.Object, 0, count ?? rest.Length).Write(body, RequestFlags.None);
        rest.CopyTo(body, ObjectRequestHead.FixedBytes);
        var sink = new Sink();
        var pool = new PoolInfo(Key.Pool, "p", "default", new PoolOptions { Sharing = PoolSharing.Shared }, false, 1);
        var request = new ObjectRequest(sink) { Opcode = opcode, Pool = new PoolEntry(pool, QuotaAccount.Unlimited), Key = Key, Count = opcode == Opcode.GetBatch ? count ?? 0 : 0 };
        _forwarder.Begin(owner, FrameHeader.Request(opcode, 1, body.Length), new ReadOnlySequence<byte>(body), request, _client);
        await sink.Answered.Task.WaitAsync(Patience);
        _forwarder.LetGo(request);
        return request;
    }

    private sealed class Sink : IRequestSink
    {
        public TaskCompletionSource Answered { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public void Complete(ObjectRequest request) => Answered.TrySetResult();
    }
}
