using System.Net.Sockets;
using Akka.Pattern;
using Microsoft.Data.Sqlite;
using Npgsql;

namespace Grid.Node.Journal;

/// <summary>Tells failed writes that certainly left nothing behind from those whose outcome is unknown.</summary>
internal static class WriteFailures
{
    private const int Busy = 5;
    private const int ReadOnly = 8;
    private const int Full = 13;
    private const int CannotOpen = 14;
    private const int Constraint = 19;

    /// <summary>
    /// Whether a write that failed so is certainly not in the journal. Not so for timeouts, broken connections and errors of input and output: a commit may have
    /// been under way.
    /// </summary>
    public static bool IsCertainlyNotApplied(Exception cause) => cause switch
    {
        // The breaker was open, or there was no connection: the write never left.
        OpenCircuitException or WriteNotSentException => true,
        // The statement failed, or the log could not take all of the transaction; either way its commit record is not there.
        SqliteException sqlite => sqlite.SqliteErrorCode is Busy or ReadOnly or Full or CannotOpen or Constraint,
        // The server itself says that the statement, or the commit, failed.
        PostgresException { InvariantSeverity: "ERROR" } => true,
        // A session that is ended says FATAL, perhaps after its commit; one that never began says so as well, with these codes only.
        PostgresException refused => IsRefusedConnection(refused.SqlState),
        NpgsqlException { InnerException: SocketException { SocketErrorCode: SocketError.ConnectionRefused or SocketError.HostNotFound or SocketError.HostUnreachable } } => true,
        _ => false,
    };

    /// <summary>Whether the write was not even tried, because earlier ones failed.</summary>
    public static bool IsBreakerOpen(Exception cause) => cause is OpenCircuitException;

    private static bool IsRefusedConnection(string sqlState) => sqlState is
        PostgresErrorCodes.TooManyConnections or PostgresErrorCodes.CannotConnectNow or PostgresErrorCodes.InvalidCatalogName
        or PostgresErrorCodes.InvalidAuthorizationSpecification or PostgresErrorCodes.InvalidPassword;
}
