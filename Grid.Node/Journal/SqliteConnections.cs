using System.Runtime.CompilerServices;
using LinqToDB;

namespace Grid.Node.Journal;

/// <summary>
/// How Akka's journal opens SQLite's connections. Microsoft.Data.Sqlite does everything on the caller's thread, which here would be the one that gathers events
/// into transactions. Each connection therefore goes on, once it is open, on a thread made for blocking; there it stays until the transaction's end.
/// </summary>
internal static class SqliteConnections
{
    /// <summary>One writes, the others answer writers that look for their number.</summary>
    private const int Threads = 3;

    private const int MaxQueued = 8192;

    public static DataOptions Options(JournalDatabase database)
    {
        var threads = new JournalThreads("grid-journal-akka", Threads, MaxQueued);
        return new DataOptions()
            .UseConnectionString(database.ProviderName, database.ConnectionString)
            .UseAfterConnectionOpened(SqliteDatabase.Prepare, async (connection, _) =>
            {
                await new Move(threads);
                SqliteDatabase.Prepare(connection);
            });
    }

    /// <summary>
    /// Awaited, what follows runs on one of the threads; always, which a task that may be complete before it is awaited would not give.
    /// </summary>
    private sealed class Move(JournalThreads threads) : ICriticalNotifyCompletion
    {
        private bool _refused;

        public bool IsCompleted => false;

        public Move GetAwaiter() => this;

        public void OnCompleted(Action continuation) => UnsafeOnCompleted(continuation);

        public void UnsafeOnCompleted(Action continuation)
        {
            if (threads.TryRun(continuation)) return;
            _refused = true;
            ThreadPool.UnsafeQueueUserWorkItem(static next => next(), continuation, preferLocal: false);
        }

        public void GetResult()
        {
            if (_refused) throw new JournalUnavailableException("too many requests wait for the journal's file");
        }
    }
}
