using Grid.Protocol;

namespace Grid.Client;

/// <summary>
/// The way to one node (or, for the home link, to the first of several addresses that answers): the connection, the calls that wait for it or for a place in its window,
/// and those that wait before they are sent again. One gate guards it all.
/// </summary>
internal sealed class NodeLink
{
    private const long PingTimeoutMs = 10_000;

    private readonly Router _router;
    private readonly Connector _connector;
    private readonly OperationList _waiting = new();
    private readonly OperationList _delayed = new();
    private readonly List<Connection> _leaving = [];

    // The ticker's own, used again by every tick.
    private readonly List<Operation> _expired = [];
    private readonly List<Operation> _due = [];
    private readonly List<Connection> _ticked = [];
    private Connection? _current;
    private bool _isClosed;

    public NodeLink(Router router, IReadOnlyList<NodeAddress> addresses, bool isHome)
    {
        _router = router;
        IsHome = isHome;
        _connector = new Connector(this, router, addresses);
    }

    public Lock Gate { get; } = new();

    /// <summary>Whether this is the link of the configured addresses, which reconnects by itself and takes what no other link can.</summary>
    public bool IsHome { get; }

    public Connector Connector => _connector;

    /// <summary>The connection that new calls go to.</summary>
    public Connection? Current => Volatile.Read(ref _current);

    /// <summary>Sends a call, or lets it wait. The call must belong to the caller.</summary>
    public void Submit(Operation operation)
    {
        Exception? failure = null;
        Connection? duty = null;
        var isAlone = false;
        lock (Gate)
        {
            if (TryPlace(operation, out failure))
            {
                if (_current is { } connection && _waiting.IsEmpty && connection.HasRoomFor(operation))
                {
                    AddOrFail(connection, operation);
                    if (connection.TryTakeSendDuty()) duty = connection;
                }
                else
                {
                    if (_current is null) _connector.Begin();
                    if (_current is null && _router.Options.NeverWaitsForConnection) isAlone = true;
                    else _waiting.Append(operation);
                }
            }
        }

        if (failure is not null)
        {
            operation.Fail(failure);
            return;
        }

        if (isAlone)
        {
            _router.OnNotServed(this, operation, _connector.LastFailure?.Message ?? "there is no connection to it yet");
            return;
        }

        duty?.Send();
        Current?.EnsureReceiving();
        _router.Ticker.Wake();
    }

    /// <summary>Lets a call wait before it is routed again.</summary>
    public void Delay(Operation operation)
    {
        operation.DueMs = Deadlines.NowMs + Backoff.RetryMs(operation.Attempts);
        Exception? failure;
        lock (Gate)
        {
            if (TryPlace(operation, out failure)) _delayed.Append(operation);
        }

        if (failure is not null) operation.Fail(failure);
        else _router.Ticker.Wake();
    }

    /// <summary>Adds waiting calls while there is room. Under the gate.</summary>
    /// <param name="connection">The connection that has room; nothing happens unless it is the current one.</param>
    public void Refill(Connection connection)
    {
        if (_current != connection) return;
        while (_waiting.First is { } operation && connection.HasRoomFor(operation))
        {
            _waiting.Remove(operation);
            AddOrFail(connection, operation);
        }
    }

    /// <summary>Ends a call whose token was cancelled, wherever on this link it is; false where it has moved to another link.</summary>
    public bool TryCancel(Operation operation)
    {
        lock (Gate)
        {
            if (operation.Link != this) return false;
            if (operation.List is { } list) list.Remove(operation);
            else if (operation.SentOn?.Slots.TryAbandon(operation.Correlation) != true) return true;
        }

        operation.Fail(Failures.Cancelled(operation.CancellationToken));
        return true;
    }

    /// <summary>An answer that is an error.</summary>
    public void OnError(Operation operation, Status status, string text) => _router.OnError(this, operation, status, text);

    /// <summary>The node wants no more requests on this connection.</summary>
    public void OnGoAway(Connection connection)
    {
        bool isDone;
        lock (Gate)
        {
            if (!TryLeave(connection, out isDone)) return;
            if (IsHome || !_waiting.IsEmpty) _connector.Begin(skipFirst: true);
        }

        if (!IsHome) _router.Forget(this);
        if (isDone) connection.Break(Failures.Left(connection.Name));
    }

    /// <summary>
    /// A newer connection of this client leads to the same node, which takes nothing any more that is sent on this one: what was sent is answered, everything else goes elsewhere.
    /// </summary>
    public void Retire(Connection connection)
    {
        var waiting = new List<Operation>();
        bool isDone;
        lock (Gate)
        {
            if (!TryLeave(connection, out isDone)) return;
            if (IsHome && _current is null) _connector.Begin();
            else if (_current is null) _waiting.MoveTo(waiting);
        }

        if (!IsHome) _router.Forget(this);
        if (isDone) connection.Break(Failures.Superseded(connection.Name));
        foreach (var operation in waiting) _router.Submit(operation);
    }

    /// <summary>The connection is no longer used. Under the gate.</summary>
    public void Detach(Connection connection)
    {
        if (_current == connection) Volatile.Write(ref _current, null);
        _leaving.Remove(connection);
    }

    /// <summary>A request of a connection that ended.</summary>
    public void OnLost(Operation operation, bool wasSent, GridException cause) => _router.OnLost(this, operation, wasSent, cause);

    /// <summary>A connection ended.</summary>
    public void OnBroken(GridException cause)
    {
        _connector.LastFailure = cause;
        if (!IsHome) _router.Forget(this);
        lock (Gate)
        {
            if (_current is null && (IsHome || !_waiting.IsEmpty)) _connector.Begin();
        }

        if (_router.Options.NeverWaitsForConnection && Current is null) GiveUp(cause.Message);
    }

    /// <summary>Uses a connection that was opened.</summary>
    /// <returns>False where the link was closed meanwhile.</returns>
    public bool Attach(Handshake.Greeted greeted)
    {
        var connection = new Connection(this, greeted, _router.Options);
        bool duty;
        lock (Gate)
        {
            if (_isClosed) return false;
            _connector.End();
            Volatile.Write(ref _current, connection);
            Refill(connection);
            duty = connection.TryTakeSendDuty();
        }

        if (duty) connection.Send();
        connection.Start();
        _router.OnAttached(this, connection);
        if (IsHome) _router.OnHome(connection.Hello);
        return true;
    }

    /// <summary>The node cannot be reached: what waits goes elsewhere.</summary>
    public void GiveUp(string reason)
    {
        var waiting = new List<Operation>();
        lock (Gate) _waiting.MoveTo(waiting);
        _router.Forget(this);
        foreach (var operation in waiting) _router.OnNotServed(this, operation, reason);
    }

    /// <summary>The node tells who owns which shard.</summary>
    public void OnTopology(Topology topology) => _router.Learn(topology);

    /// <summary>Asks for a sign of life, if the window has a place. Nobody waits for the answer; that something comes is enough.</summary>
    public void Ping(Connection connection)
    {
        bool duty;
        lock (Gate)
        {
            var ping = new Operation { Opcode = Opcode.Ping, HasNoEffect = true, DeadlineMs = Deadlines.NowMs + PingTimeoutMs, Link = this };
            if (connection.IsBroken || !connection.HasRoomFor(ping)) return;
            connection.Add(ping);
            duty = connection.TryTakeSendDuty();
        }

        if (duty) connection.Send();
    }

    /// <summary>What the ticker does. Never by two threads at once.</summary>
    /// <returns>Whether there is anything to come back for.</returns>
    public bool Tick(long nowMs)
    {
        bool isBusy;
        bool isConnected;
        lock (Gate)
        {
            _waiting.MoveExpiredTo(_expired, nowMs);
            _delayed.MoveExpiredTo(_expired, nowMs);
            _delayed.MoveDueTo(_due, nowMs);
            isBusy = !_waiting.IsEmpty || !_delayed.IsEmpty || _due.Count > 0;
            isConnected = _current is not null;
            if (_current is not null) Refill(_current);
            _ticked.AddRange(_leaving);
            if (_current is not null) _ticked.Add(_current);
        }

        foreach (var operation in _expired) operation.Fail(Failures.NotSentInTime(operation, isConnected, _connector.LastFailure));
        foreach (var operation in _due) _router.Submit(operation);
        _expired.Clear();
        _due.Clear();
        foreach (var connection in _ticked) isBusy |= connection.Tick(nowMs);
        _ticked.Clear();
        return isBusy;
    }

    /// <summary>Closes for good: every call fails.</summary>
    public async ValueTask CloseAsync()
    {
        var stopped = new List<Operation>();
        List<Connection> connections;
        lock (Gate)
        {
            _isClosed = true;
            _waiting.MoveTo(stopped);
            _delayed.MoveTo(stopped);
            connections = [.. _leaving];
            if (_current is not null) connections.Add(_current);
        }

        foreach (var operation in stopped) operation.Fail(Failures.Disposed());
        foreach (var connection in connections) connection.Break(Failures.Closed("the client"));
        await _connector.StoppedAsync().ConfigureAwait(false);
    }

    /// <summary>Under the gate.</summary>
    private static void AddOrFail(Connection connection, Operation operation)
    {
        try
        {
            connection.Add(operation);
        }
        catch (Exception failure)
        {
            // The caller changed its batch or freed its buffer under way: the mistake is told to it alone, and nothing was sent.
            operation.Fail(failure);
        }
    }

    /// <summary>Sends nothing more on a connection, which ends once everything sent is answered. Under the gate. False where that was so already.</summary>
    private bool TryLeave(Connection connection, out bool isDone)
    {
        isDone = connection.Slots.InUse == 0;
        if (connection.IsBroken || connection.IsLeaving) return false;
        connection.IsLeaving = true;
        _leaving.Add(connection);
        if (_current == connection) Volatile.Write(ref _current, null);
        return true;
    }

    /// <summary>Makes this link the operation's place; under the gate. False where it must not go on.</summary>
    private bool TryPlace(Operation operation, out Exception? failure)
    {
        operation.Link = this;
        failure = operation.IsCancelRequested ? Failures.Cancelled(operation.CancellationToken)
            : _isClosed ? Failures.Disposed()
            : null;
        return failure is null;
    }
}
