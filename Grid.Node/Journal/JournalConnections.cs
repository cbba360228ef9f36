using System.Data.Common;
using System.Diagnostics;

namespace Grid.Node.Journal;

/// <summary>
/// Runs database work on threads of its own, each with a connection that stays open. What the database throws leaves here as
/// <see cref="JournalUnavailableException"/> or <see cref="JournalCorruptException"/>, and the connection it happened on is not used again.
/// </summary>
internal sealed class JournalConnections : IDisposable
{
    private readonly JournalDatabase _database;
    private readonly Func<DbConnection> _open;
    private readonly JournalThreads _threads;
    private readonly ThreadLocal<DbConnection?> _connection = new();
    private readonly string _name;

    public JournalConnections(JournalDatabase database, string name, int maxThreads, int maxQueued, Func<DbConnection> open)
    {
        (_database, _name, _open) = (database, name, open);
        _threads = new JournalThreads(name, maxThreads, maxQueued) { OnThreadEnd = Close };
    }

    /// <summary>Is told when the database can't be used, and when what showed it began (<see cref="Stopwatch.GetTimestamp"/>).</summary>
    public Action<Exception, long>? OnUnavailable { get; set; }

    /// <summary>Runs work; what was cancelled before its turn is not begun.</summary>
    /// <exception cref="JournalUnavailableException">The database can't be used, or too much waits for it.</exception>
    /// <exception cref="JournalCorruptException">The work found damage.</exception>
    public Task<T> RunAsync<T>(string what, Func<DbConnection, T> work, CancellationToken cancellation)
    {
        var done = new TaskCompletionSource<T>(TaskCreationOptions.RunContinuationsAsynchronously);
        var queued = _threads.TryRun(() =>
        {
            if (cancellation.IsCancellationRequested) done.TrySetCanceled(cancellation);
            else Run(what, work, done);
        });
        if (!queued) throw new JournalUnavailableException($"{what}: too many requests wait for the journal ({_name})");
        return done.Task;
    }

    public void Dispose() => _threads.Dispose();

    private void Run<T>(string what, Func<DbConnection, T> work, TaskCompletionSource<T> done)
    {
        var startedAt = Stopwatch.GetTimestamp();
        try
        {
            done.TrySetResult(work(_connection.Value ??= _open()));
        }
        catch (Exception failure)
        {
            if (failure is not JournalCorruptException) Close();
            var explained = _database.Explain(what, failure);
            if (explained is JournalUnavailableException) OnUnavailable?.Invoke(explained, startedAt);
            done.TrySetException(explained);
        }
    }

    private void Close()
    {
        _connection.Value?.Dispose();
        _connection.Value = null;
    }
}
