using System.Collections.Concurrent;

namespace Grid.Client;

/// <summary>
/// Calls of a connection whose answers are in, waiting for the code after them to run. One thread runs the code of a batch of answers, one after the
/// other: no thread hop per call, and what the code sends leaves together at the end (the cork), on whichever connections it is.
/// </summary>
/// <remarks>
/// Code that blocks its thread holds up only itself: the next answers bring another thread, which drains what is left here, and the ticker does the same
/// (and sends what was corked) when there are none.
/// </remarks>
internal sealed class ReadyQueue(Connection connection) : IThreadPoolWorkItem
{
    [ThreadStatic]
    private static ReadyQueue? _drainedHere;

    /// <summary>Connections on which this thread has held something back.</summary>
    [ThreadStatic]
    private static List<Connection>? _heldHere;

    private readonly ConcurrentQueue<Operation> _queue = new();

    public bool IsEmpty => _queue.IsEmpty;

    /// <summary>
    /// Whether this thread will run more code of calls after the present one. The last one is not corked: what it sends leaves at once,
    /// so that one call in flight never waits for anything.
    /// </summary>
    public static bool IsCorkedHere => _drainedHere is { IsEmpty: false };

    /// <summary>Something was held back on a connection: this thread sends it when it has run what it has to. While the thread is corked.</summary>
    public static void Hold(Connection connection)
    {
        var held = _heldHere ??= [];
        if (!held.Contains(connection)) held.Add(connection);
    }

    public void Add(Operation operation) => _queue.Enqueue(operation);

    /// <summary>Ends calls until none is left, then sends what they made.</summary>
    public void Drain()
    {
        var outer = _drainedHere;
        _drainedHere = this;
        while (_queue.TryDequeue(out var operation)) operation.Complete();
        _drainedHere = outer;
        connection.Flush();
        if (_heldHere is not { Count: > 0 } held) return;
        foreach (var other in held) other.Flush();
        held.Clear();
    }

    void IThreadPoolWorkItem.Execute() => Drain();
}
