using System.Buffers;
using System.Diagnostics;
using System.Diagnostics.CodeAnalysis;
using Grid.Protocol;

namespace Grid.Client;

/// <summary>
/// A client of a grid: the way to its pools. One per process is enough: it is safe for use by any number of threads at once, holds one connection per
/// node, sends every call straight to the node that owns the object, reconnects by itself and repeats what is known to have had no effect.
/// </summary>
/// <remarks>
/// Every call has a deadline (<see cref="CallOptions.Timeout"/>), waits for a place in the connection's window and for a connection until then, and fails with a
/// <see cref="GridException"/> that says whether it was applied. A <see cref="ValueTask{TResult}"/> returned here may be awaited once only.
/// A call cancelled before it was sent is not applied; one cancelled afterwards throws <see cref="OperationCanceledException"/> too, and whether a put, flush or take
/// was applied is then unknown. Either way its buffers are the caller's again, and nothing writes to them any more.
/// </remarks>
[SuppressMessage("ApiDesign", "RS0026", Justification = "The overloads of ConnectAsync differ in a required parameter.")]
public sealed class GridClient : IAsyncDisposable
{
    private readonly Router _router;

    private GridClient(Router router) => _router = router;

    /// <summary>What the node said when the client connected (last: after a reconnect it is what the new node said).</summary>
    public HelloAnswer Server => _router.Server;

    /// <summary>Connects as <see cref="GridClientOptions.Parse"/> reads the text.</summary>
    /// <param name="connectionString">E.g. <c>grid://node1:7070,node2:7070?timeout=5s</c>.</param>
    /// <param name="cancellationToken">Gives the attempt up.</param>
    /// <exception cref="ArgumentException">The text makes no sense; the message names the part.</exception>
    /// <exception cref="GridUnavailableException">No address answered; the message says why for each.</exception>
    /// <exception cref="GridProtocolException">What answered is no grid node or speaks no common version.</exception>
    /// <exception cref="NotAllowedException">The node refused the tenant or credential.</exception>
    public static ValueTask<GridClient> ConnectAsync(string connectionString, CancellationToken cancellationToken = default) =>
        ConnectAsync(GridClientOptions.Parse(connectionString), cancellationToken);

    /// <summary>Connects: tries each address once, in order.</summary>
    /// <param name="options">Where to and how.</param>
    /// <param name="cancellationToken">Gives the attempt up.</param>
    /// <exception cref="ArgumentException">An option is out of range; the message names it.</exception>
    /// <exception cref="GridUnavailableException">No address answered; the message says why for each.</exception>
    /// <exception cref="GridProtocolException">What answered is no grid node or speaks no common version.</exception>
    /// <exception cref="NotAllowedException">The node refused the tenant or credential.</exception>
    public static async ValueTask<GridClient> ConnectAsync(GridClientOptions options, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        var router = new Router(options);
        try
        {
            await router.ConnectAsync(cancellationToken).ConfigureAwait(false);
        }
        catch
        {
            await router.DisposeAsync().ConfigureAwait(false);
            throw;
        }

        return new GridClient(router);
    }

    /// <summary>Creates a pool; joins the shared pool of that name if it exists with equal options.</summary>
    /// <param name="name">1 to 128 ASCII letters, digits, '-', '_', '.', ':'.</param>
    /// <param name="options">Its attributes, fixed for its life.</param>
    /// <param name="cancellationToken">Gives the call up.</param>
    /// <exception cref="ArgumentException">The name or the options are out of range.</exception>
    /// <exception cref="PoolExistsException">The name is taken by a private pool, or by a shared one with other options.</exception>
    /// <exception cref="GridException">It failed; see <see cref="GridException.Outcome"/>.</exception>
    public async ValueTask<Pool> CreatePoolAsync(string name, PoolOptions options, CancellationToken cancellationToken = default)
    {
        RequireName(name);
        ArgumentNullException.ThrowIfNull(options);
        if (options.Validate() is { } wrong) throw new ArgumentException($"The options make no sense: {wrong}.", nameof(options));
        var body = new ArrayBufferWriter<byte>();
        WriteCreate(body, name, options);
        var info = await InfoAsync(Opcode.PoolCreate, body.WrittenMemory, repeatable: false, cancellationToken).ConfigureAwait(false);
        return new Pool(_router, info);
    }

    /// <summary>Opens a pool by name; joins it if it is shared.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="cancellationToken">Gives the call up.</param>
    /// <exception cref="ArgumentException">No pool can have that name.</exception>
    /// <exception cref="NoSuchPoolException">There is no such pool.</exception>
    /// <exception cref="GridException">It failed; see <see cref="GridException.Outcome"/>.</exception>
    public async ValueTask<Pool> OpenPoolAsync(string name, CancellationToken cancellationToken = default)
    {
        RequireName(name);
        // Joining twice is joining once: safe to repeat.
        var info = await InfoAsync(Opcode.PoolOpen, NameBody(name), repeatable: true, cancellationToken).ConfigureAwait(false);
        return new Pool(_router, info);
    }

    /// <summary>The tenant's pools.</summary>
    /// <param name="cancellationToken">Gives the call up.</param>
    /// <exception cref="GridException">It failed; see <see cref="GridException.Outcome"/>.</exception>
    public async ValueTask<IReadOnlyList<PoolInfo>> ListPoolsAsync(CancellationToken cancellationToken = default)
    {
        var answer = await _router.ControlAsync(Opcode.PoolList, default, repeatable: true, cancellationToken).ConfigureAwait(false);
        return ControlAnswers.Pools(answer);
    }

    /// <summary>Counters of a pool, summed over the nodes.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="cancellationToken">Gives the call up.</param>
    /// <exception cref="ArgumentException">No pool can have that name.</exception>
    /// <exception cref="NoSuchPoolException">There is no such pool.</exception>
    /// <exception cref="GridException">It failed; see <see cref="GridException.Outcome"/>.</exception>
    public async ValueTask<PoolStat> StatPoolAsync(string name, CancellationToken cancellationToken = default)
    {
        RequireName(name);
        var answer = await _router.ControlAsync(Opcode.PoolStat, NameBody(name), repeatable: true, cancellationToken).ConfigureAwait(false);
        return ControlAnswers.Stat(answer);
    }

    /// <summary>Freezes a pool: from now on its puts are refused (a refused overwrite empties its handle); gets and flushes work.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="cancellationToken">Gives the call up.</param>
    /// <returns>The pool, frozen.</returns>
    /// <exception cref="ArgumentException">No pool can have that name.</exception>
    /// <exception cref="NoSuchPoolException">There is no such pool.</exception>
    /// <exception cref="GridException">It failed; see <see cref="GridException.Outcome"/>.</exception>
    public ValueTask<PoolInfo> FreezePoolAsync(string name, CancellationToken cancellationToken = default)
    {
        RequireName(name);
        return InfoAsync(Opcode.PoolFreeze, NameBody(name), repeatable: false, cancellationToken);
    }

    /// <summary>Undoes a freeze.</summary>
    /// <param name="name">The pool's name.</param>
    /// <param name="cancellationToken">Gives the call up.</param>
    /// <returns>The pool, thawed.</returns>
    /// <exception cref="ArgumentException">No pool can have that name.</exception>
    /// <exception cref="NoSuchPoolException">There is no such pool.</exception>
    /// <exception cref="GridException">It failed; see <see cref="GridException.Outcome"/>.</exception>
    public ValueTask<PoolInfo> ThawPoolAsync(string name, CancellationToken cancellationToken = default)
    {
        RequireName(name);
        return InfoAsync(Opcode.PoolThaw, NameBody(name), repeatable: false, cancellationToken);
    }

    /// <summary>Destroys a private pool, every page of it at once; leaves a shared one, which dies with its last member.</summary>
    /// <param name="name">The pool's name.</param>
    /// <param name="cancellationToken">Gives the call up.</param>
    /// <returns>True when it is done; false when it is accepted and some node has not confirmed it yet.</returns>
    /// <exception cref="ArgumentException">No pool can have that name.</exception>
    /// <exception cref="NoSuchPoolException">There is no such pool.</exception>
    /// <exception cref="GridException">It failed; see <see cref="GridException.Outcome"/>.</exception>
    public async ValueTask<bool> DestroyPoolAsync(string name, CancellationToken cancellationToken = default)
    {
        RequireName(name);
        var answer = await _router.ControlAsync(Opcode.PoolDestroy, NameBody(name), repeatable: false, cancellationToken).ConfigureAwait(false);
        return answer.Status == Status.Ok;
    }

    /// <summary>Asks the node for a sign of life.</summary>
    /// <param name="cancellationToken">Gives the call up.</param>
    /// <returns>How long it took.</returns>
    /// <exception cref="GridException">It failed.</exception>
    public async ValueTask<TimeSpan> PingAsync(CancellationToken cancellationToken = default)
    {
        var start = Stopwatch.GetTimestamp();
        await _router.ControlAsync(Opcode.Ping, default, repeatable: true, cancellationToken).ConfigureAwait(false);
        return Stopwatch.GetElapsedTime(start);
    }

    /// <summary>The nodes, and who owns which shard. The client's own map is refreshed with it.</summary>
    /// <param name="cancellationToken">Gives the call up.</param>
    /// <exception cref="GridException">It failed.</exception>
    public async ValueTask<Topology> GetTopologyAsync(CancellationToken cancellationToken = default)
    {
        var answer = await _router.ControlAsync(Opcode.Topology, default, repeatable: true, cancellationToken).ConfigureAwait(false);
        var topology = ControlAnswers.Topology(answer);
        _router.Learn(topology);
        return topology;
    }

    /// <summary>Closes the connections. Calls that are running fail; those already sent whose outcome matters, with <see cref="OutcomeUnknownException"/>.</summary>
    public ValueTask DisposeAsync() => _router.DisposeAsync();

    /// <summary>Benchmark aid: a get's answer of one page that the node makes without any actor.</summary>
    /// <param name="destination">At least the page's bytes.</param>
    /// <param name="cancellationToken">Gives the call up.</param>
    /// <returns>Bytes of the page.</returns>
    internal ValueTask<int> EchoAsync(Memory<byte> destination, CancellationToken cancellationToken = default) =>
        _router.EchoAsync(destination, cancellationToken);

    /// <summary>Sends what only nodes ask each other.</summary>
    internal ValueTask<ControlAnswer> ControlAsync(Opcode opcode, ReadOnlyMemory<byte> body, CancellationToken cancellationToken) =>
        _router.ControlAsync(opcode, body, repeatable: false, cancellationToken);

    /// <summary>Sends a request as somebody else made it; the answer is told as it came, errors included.</summary>
    /// <exception cref="GridException">It was not answered.</exception>
    internal ValueTask<ControlAnswer> RelayAsync(Opcode opcode, RequestFlags flags, ReadOnlyMemory<byte> body, bool changesNothing, TimeSpan timeout, CancellationToken cancellationToken) =>
        _router.RelayAsync(opcode, flags, body, changesNothing, timeout, cancellationToken);

    private async ValueTask<PoolInfo> InfoAsync(Opcode opcode, ReadOnlyMemory<byte> body, bool repeatable, CancellationToken cancellationToken) =>
        ControlAnswers.Pool(await _router.ControlAsync(opcode, body, repeatable, cancellationToken).ConfigureAwait(false), repeatable);

    private static void RequireName(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        if (PoolOptions.ValidateName(name) is { } wrong) throw new ArgumentException($"The name makes no sense: {wrong}.", nameof(name));
    }

    private static ReadOnlyMemory<byte> NameBody(string name)
    {
        var body = new ArrayBufferWriter<byte>();
        new BodyWriter(body).String(name);
        return body.WrittenMemory;
    }

    private static void WriteCreate(IBufferWriter<byte> body, string name, PoolOptions options)
    {
        var writer = new BodyWriter(body);
        writer.String(name);
        PoolCodec.WriteOptions(ref writer, options);
    }
}
