using System.Diagnostics;
using System.Threading.Tasks.Sources;
using Grid.Protocol;

namespace Grid.Client;

/// <summary>Sends every call to the node that owns its object, and decides what becomes of a call that a node did not carry out (DESIGN: "What the SDK retries by itself").</summary>
internal sealed class Router : IAsyncDisposable
{
    /// <summary>After so many "moved" in a row a call is delayed: ownership is changing hands.</summary>
    private const int MovesAtOnce = 3;

    private readonly CancellationTokenSource _closing = new();
    private readonly Lock _gate = new();
    private readonly Dictionary<NodeAddress, NodeLink> _owners = [];
    private readonly Guid _session = Guid.NewGuid();
    private readonly NodeLink _home;
    private NodeLink[] _links;
    private volatile ShardMap? _map;
    private volatile HelloAnswer? _server;
    private volatile bool _isClosed;
    private Guid _gridId;
    private ulong _epoch;

    public Router(GridClientOptions options)
    {
        Options = options;
        Closing = _closing.Token;
        Ticker = new Ticker(Tick);
        _home = new NodeLink(this, [.. options.Addresses.Select(NodeAddress.Parse)], isHome: true);
        _links = [_home];
    }

    public GridClientOptions Options { get; }

    public Ticker Ticker { get; }

    public HelloAnswer Server => _server ?? throw new InvalidOperationException("The client is not connected yet.");

    public bool IsClosed => _isClosed;

    public CancellationToken Closing { get; }

    public Task ConnectAsync(CancellationToken cancellationToken) => _home.Connector.ConnectOnceAsync(cancellationToken);

    // ---- calls ----

    /// <summary>An operation on an object, to be completed by the caller and started.</summary>
    public Operation Rent(Pool pool, ObjectId obj, Opcode opcode, CallOptions? call, CancellationToken cancellationToken)
    {
        var operation = Rent(opcode, call?.Timeout ?? Options.Timeout, cancellationToken);
        operation.Key = new ObjectKey(pool.Id, obj);
        operation.PageSizeBytes = pool.PageSizeBytes;
        operation.AtLeastOnce = call is { AtLeastOnce: true };
        return operation;
    }

    /// <summary>Sends the operation on its way.</summary>
    /// <typeparam name="T">The result its caller waits for.</typeparam>
    public ValueTask<T> Start<T>(Operation operation)
    {
        // Nobody can return the operation to the pool before its result was fetched through this task.
        var task = new ValueTask<T>((IValueTaskSource<T>)(object)operation, operation.Token);
        Submit(operation);
        return task;
    }

    public ValueTask<ControlAnswer> ControlAsync(Opcode opcode, ReadOnlyMemory<byte> body, bool repeatable, CancellationToken cancellationToken)
    {
        var operation = Rent(opcode, Options.Timeout, cancellationToken);
        operation.Page = body;
        operation.HasNoEffect = repeatable;
        return Start<ControlAnswer>(operation);
    }

    /// <summary>Sends a request as somebody else made it; the answer is told as it came, errors included.</summary>
    public ValueTask<ControlAnswer> RelayAsync(Opcode opcode, RequestFlags flags, ReadOnlyMemory<byte> body, bool changesNothing, TimeSpan timeout, CancellationToken cancellationToken)
    {
        var operation = Rent(opcode, timeout, cancellationToken);
        operation.IsRelayed = true;
        operation.Flags = flags;
        operation.Page = body;
        operation.HasNoEffect = changesNothing;
        return Start<ControlAnswer>(operation);
    }

    public ValueTask<int> EchoAsync(Memory<byte> destination, CancellationToken cancellationToken)
    {
        var operation = Rent(Opcode.Echo, Options.Timeout, cancellationToken);
        operation.Destination = destination;
        operation.HasNoEffect = true;
        return Start<int>(operation);
    }

    /// <summary>Sends to the owner, as far as it is known.</summary>
    public void Submit(Operation operation) => LinkFor(operation).Submit(operation);

    // ---- what nodes say ----

    public void OnError(NodeLink link, Operation operation, Status status, string text)
    {
        switch (status)
        {
            case Status.Moved:
                OnMoved(link, operation, text);
                break;
            case Status.NotServing:
                OnNotServed(link, operation, text);
                break;
            case Status.FailedUnknown when operation.AtLeastOnce:
                operation.MayHaveBeenApplied |= !operation.HasNoEffect;
                OnNotServed(link, operation, text);
                break;
            default:
                operation.Fail(Failures.FromNode(operation, status, text));
                break;
        }
    }

    /// <summary>A request that changed nothing and may succeed later, perhaps elsewhere.</summary>
    public void OnNotServed(NodeLink link, Operation operation, string reason)
    {
        operation.Attempts++;
        operation.LastSetback = reason;
        if (operation.IsRelayed)
        {
            operation.Fail(Failures.NotRelayed(reason));
            return;
        }

        // The home link's node knows where the object is now, or finds out.
        if (!link.IsHome && operation.Opcode.IsObjectOperation()) _map?.Set(operation.Key, null);
        link.Delay(operation);
    }

    /// <summary>A request whose connection ended before it was answered.</summary>
    public void OnLost(NodeLink link, Operation operation, bool wasSent, GridException cause)
    {
        if (wasSent && (!operation.CanBeRepeated || (_isClosed && !operation.HasNoEffect)))
        {
            operation.Fail(Failures.LostAfterSend(operation, cause));
            return;
        }

        if (wasSent)
        {
            operation.MayHaveBeenApplied |= !operation.HasNoEffect;
            operation.Attempts++;
            operation.LastSetback = cause.Message;
        }

        // The first time at once; a request that comes to grief again and again does not hammer the node.
        if (wasSent && operation.Attempts > 1) link.Delay(operation);
        else Submit(operation);
    }

    /// <summary>
    /// A connection stands. Where another link's leads to the same node (the home link has come to an owner, or an owner was asked for by another name), only the one with the newest epoch is of
    /// any use: the node carries out nothing that comes on the other.
    /// </summary>
    public void OnAttached(NodeLink link, Connection connection)
    {
        foreach (var other in Volatile.Read(ref _links))
        {
            if (other == link || other.Current is not { } its || its.Hello.NodeAddress != connection.Hello.NodeAddress) continue;
            if (its.Epoch < connection.Epoch) other.Retire(its);
            else link.Retire(connection);
        }
    }

    public void OnHome(HelloAnswer answer)
    {
        _server = answer;
        if (!Options.SingleAddress) _ = RefreshMapAsync();
    }

    /// <summary>Takes over who owns which shard. Of a shard that nobody is known to own, what was known before is kept: it is a hint in any case.</summary>
    public void Learn(Topology topology)
    {
        if (Options.SingleAddress || _map is not { } map || map.ShardCount != topology.Owners.Count) return;
        for (var shard = 0; shard < map.ShardCount; shard++)
        {
            var owner = topology.Owners[shard];
            if (owner >= 0) map.Set(shard, NodeAddress.TryParse(topology.Nodes[owner].DataAddress, out var address) ? LinkTo(address) : null);
        }
    }

    /// <summary>Forgets what a link was known to own.</summary>
    public void Forget(NodeLink link) => _map?.Remove(link);

    // ---- connecting ----

    /// <summary>Opens a connection of this session.</summary>
    /// <exception cref="GridException">It cannot be; the subclass says why.</exception>
    public async Task<Handshake.Greeted> GreetAsync(NodeAddress address, CancellationToken cancellationToken)
    {
        var hello = new HelloRequest
        {
            MaxVersion = Options.NewestVersion,
            SingleAddress = Options.SingleAddress,
            WantsTopology = !Options.SingleAddress && Options.NewestVersion >= ProtocolLimits.TopologyPushVersion,
            Session = _session,
            Epoch = Interlocked.Increment(ref _epoch),
            Tenant = Options.Tenant,
            Credential = Options.Credential,
            Member = Options.Member,
            Agent = Options.Agent,
        };
        var greeted = await Handshake.ConnectAsync(address, hello, Options.ConnectTimeout, cancellationToken).ConfigureAwait(false);
        if (IsOurGrid(greeted.Answer)) return greeted;
        greeted.Socket.Dispose();
        throw new GridProtocolException($"{address} belongs to another grid than the one this client was connected to first.", CallOutcome.NotApplied);
    }

    public async ValueTask DisposeAsync()
    {
        NodeLink[] links;
        lock (_gate)
        {
            if (_isClosed) return;
            _isClosed = true;
            links = _links;
        }

        await _closing.CancelAsync().ConfigureAwait(false);
        foreach (var link in links) await link.CloseAsync().ConfigureAwait(false);
        Ticker.Dispose();
        _closing.Dispose();
    }

    private Operation Rent(Opcode opcode, TimeSpan timeout, CancellationToken cancellationToken)
    {
        ObjectDisposedException.ThrowIf(_isClosed, typeof(GridClient));
        var operation = OperationPool.Rent();
        operation.Opcode = opcode;
        operation.DeadlineMs = Deadlines.After(timeout);
        operation.WatchCancellation(cancellationToken);
        return operation;
    }

    private void OnMoved(NodeLink link, Operation operation, string text)
    {
        if (Options.SingleAddress || _map is not { } map || !operation.Opcode.IsObjectOperation() || !NodeAddress.TryParse(text, out var address))
        {
            OnNotServed(link, operation, $"the node says that the object moved to '{text}', where this client cannot go");
            return;
        }

        var owner = LinkTo(address);
        map.Set(operation.Key, owner);
        operation.Attempts++;
        operation.LastSetback = $"moved to {address}";
        if (operation.Attempts <= MovesAtOnce) owner.Submit(operation);
        else link.Delay(operation);
    }

    private NodeLink LinkFor(Operation operation) =>
        operation.Opcode.IsObjectOperation() && _map?.Find(operation.Key) is { } owner ? owner : _home;

    private NodeLink LinkTo(NodeAddress address)
    {
        // The node that the home link leads to is reached through it, whatever name it was dialled by.
        if (NodeAddress.TryParse(_server?.NodeAddress, out var home) && home == address) return _home;
        lock (_gate)
        {
            if (_isClosed) return _home;
            if (_owners.TryGetValue(address, out var link)) return link;
            link = new NodeLink(this, [address], isHome: false);
            _owners.Add(address, link);
            _links = [.. _links, link];
            return link;
        }
    }

    private bool IsOurGrid(HelloAnswer answer)
    {
        lock (_gate)
        {
            if (_map is null)
            {
                _map = new ShardMap((int)answer.ShardCount);
                _gridId = answer.GridId;
                return true;
            }

            return answer.GridId == _gridId && answer.ShardCount == _map.ShardCount;
        }
    }

    private async Task RefreshMapAsync()
    {
        try
        {
            Learn(ControlAnswers.Topology(await ControlAsync(Opcode.Topology, default, repeatable: true, Closing).ConfigureAwait(false)));
        }
        catch (Exception failure) when (failure is GridException or OperationCanceledException or ObjectDisposedException)
        {
            // Nothing is lost: the map is a hint that "moved" answers teach as well.
            Debug.WriteLine(failure);
        }
    }

    private bool Tick()
    {
        var nowMs = Deadlines.NowMs;
        var isBusy = false;
        foreach (var link in Volatile.Read(ref _links)) isBusy |= link.Tick(nowMs);
        return isBusy;
    }
}
