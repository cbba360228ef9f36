using System.Data.Common;
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
                await MoveAsync(threads).ConfigureAwait(false);
                SqliteDatabase.Prepare(connection);
            });
    }

    /// <summary>What follows this call's completion runs on one of the threads.</summary>
    private static Task MoveAsync(JournalThreads threads)
    {
        // Not RunContinuationsAsynchronously: running them here is the purpose.
        var moved = new TaskCompletionSource();
        return threads.TryRun(moved.SetResult)
            ? moved.Task
            : throw new JournalUnavailableException("too many requests wait for the journal's file");
    }
}
