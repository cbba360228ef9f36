using System.Security.Authentication;
using Npgsql;

namespace Grid.Node.Journal;

/// <summary>What a database's failure says to an operator: drivers put what matters ("connection refused", "wrong certificate") into inner exceptions.</summary>
internal static class FailureText
{
    /// <summary>The messages of the failure and of what caused it, in one line.</summary>
    public static string Of(Exception failure)
    {
        var messages = new List<string>();
        for (var cause = failure; cause is not null; cause = cause.InnerException)
        {
            var message = Message(cause);
            if (!messages.Any(known => known.Contains(message, StringComparison.Ordinal))) messages.Add(message);
        }

        return string.Join(": ", messages);
    }

    private static string Message(Exception failure) => failure switch
    {
        AggregateException { InnerExceptions.Count: 1 } => failure.InnerException!.Message,
        AuthenticationException => $"{Line(failure)} (if the server's certificate is not from a public authority, Root Certificate in the connection string names the file of its authority; with SSL Mode=VerifyFull the certificate must be for the name after Host)",
        PostgresException refused => refused.MessageText,
        _ => Line(failure),
    };

    private static string Line(Exception failure) => failure.Message.ReplaceLineEndings(" ").TrimEnd('.', ' ');
}
