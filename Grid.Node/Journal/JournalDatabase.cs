using System.Data.Common;

namespace Grid.Node.Journal;

/// <summary>What the two databases do differently. Everything here blocks.</summary>
internal abstract class JournalDatabase
{
    /// <summary>linq2db's name of the provider.</summary>
    public abstract string ProviderName { get; }

    /// <summary>The connection string of Akka's journal.</summary>
    public abstract string ConnectionString { get; }

    /// <summary>Statements that make what is missing of the schema.</summary>
    public abstract IReadOnlyList<string> Script { get; }

    /// <summary>The columns of the unique keys of the table <c>journal</c>, each a list with commas.</summary>
    public abstract string UniqueKeysQuery { get; }

    public static JournalDatabase For(JournalOptions options) => options.Provider switch
    {
        JournalProvider.Sqlite => new SqliteDatabase(options),
        JournalProvider.PostgreSql => new PostgreSqlDatabase(options),
        _ => throw new JournalSetupException($"{options.Provider} is no provider of a journal."),
    };

    /// <summary>Opens a connection that can't write.</summary>
    public abstract DbConnection OpenReader();

    /// <summary>Opens a connection that can write.</summary>
    public abstract DbConnection OpenWriter();

    /// <summary>How many transactions may write at the same time.</summary>
    public abstract int WriteConnections { get; }

    /// <summary>Opens a connection for writing events.</summary>
    public abstract JournalAppender OpenAppender();

    /// <summary>Begins a transaction in which every statement sees the same state, without keeping writers away.</summary>
    public abstract DbTransaction BeginRead(DbConnection connection);

    /// <summary>Whether all rows of a query travel here, those that are not read too.</summary>
    public abstract bool SendsAhead { get; }

    /// <summary>The column with an event's first bytes in a query; one that is null where <see cref="ReadPart"/> is the better way.</summary>
    public abstract string FirstPart(int count);

    /// <summary>Reads a part of an event without the rest of it; shorter where the event ends.</summary>
    public abstract byte[] ReadPart(DbConnection connection, long ordering, int offset, int count);

    /// <summary>The column with a whole event in a query; one that is null where <see cref="ReadInto"/> is the better way.</summary>
    public virtual string Whole => "message";

    /// <summary>Reads the beginning of an event, as much of it as there is room.</summary>
    public virtual void ReadInto(DbConnection connection, long ordering, Span<byte> destination) => ReadPart(connection, ordering, 0, destination.Length).CopyTo(destination);

    /// <summary>Checks what the connection string does not say: how durable a commit is.</summary>
    /// <exception cref="JournalSetupException">A commit would not be durable.</exception>
    public abstract void VerifyDurability(DbConnection connection);

    /// <summary>Checks that what the journal does to its tables, where they are there, is allowed.</summary>
    /// <exception cref="JournalSetupException">It names what is not.</exception>
    public virtual void VerifyRights(DbConnection connection)
    {
    }

    /// <summary>Whether the script failed because this user may not make tables here: somebody else must.</summary>
    public virtual bool IsRefusedCreation(DbException failure) => false;

    /// <summary>Whether the database reports damage of its own files.</summary>
    protected abstract bool IsDamage(DbException failure);

    /// <summary>What a failure is to the callers of the journal.</summary>
    public Exception Explain(string what, Exception failure) => failure switch
    {
        JournalCorruptException or JournalUnavailableException or JournalSetupException => failure,
        DbException database when IsDamage(database) => new JournalCorruptException($"{what}: the database is damaged: {FailureText.Of(failure)}", failure),
        DbException or IOException or UnauthorizedAccessException or TimeoutException or System.Net.Sockets.SocketException =>
            new JournalUnavailableException($"{what}: {FailureText.Of(failure)}", failure),
        _ => failure,
    };
}
