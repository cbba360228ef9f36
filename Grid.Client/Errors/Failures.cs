using System.Net.Sockets;
using Grid.Protocol;

namespace Grid.Client;

/// <summary>Makes the exceptions that calls and connections end with: one place for their texts.</summary>
internal static class Failures
{
    public static GridException SocketFailed(string node, SocketException cause) =>
        new GridUnavailableException($"The connection to {node} failed: {cause.Message}.", cause);

    public static GridException Closed(string node) => new GridUnavailableException($"{node} closed the connection.");

    public static GridException Left(string node) => new GridUnavailableException($"{node} asked to leave, and everything sent was answered.");

    public static GridException Superseded(string node) => new GridUnavailableException($"A newer connection leads to {node}, and everything sent on this one was answered.");

    public static GridException Silent(string node, long silentMs) =>
        new GridUnavailableException($"{node} has said nothing for {silentMs} ms although it owes answers.");

    public static GridException Malformed(string node, string what) => new GridProtocolException($"{node} breaks the protocol: {what}.", CallOutcome.NotApplied);

    public static Exception NotRelayed(string reason) => new GridUnavailableException($"The node that owns the object was not asked: {reason}.");

    public static Exception Cancelled(CancellationToken token) => new OperationCanceledException(token);

    public static Exception Disposed() => new ObjectDisposedException(nameof(GridClient));

    /// <summary>A deadline that passed before the request was sent.</summary>
    /// <param name="operation">The request.</param>
    /// <param name="isConnected">Whether there was a connection.</param>
    /// <param name="cause">Why there was none.</param>
    public static Exception NotSentInTime(Operation operation, bool isConnected, Exception? cause)
    {
        if (!isConnected)
            return new GridUnavailableException($"{Name(operation)} found no connection before its deadline: {cause?.Message ?? "still connecting."}", cause);
        if (operation.LastSetback is { } setback)
            return new GridUnavailableException($"{Name(operation)} was not served before its deadline, tried {operation.Attempts} times; last: {setback}", cause);
        return new GridTimeoutException(
            $"{Name(operation)} found no place in the connection's window before its deadline: too many calls at once, or answers that take too long.", CallOutcome.NotApplied);
    }

    /// <summary>A deadline that passed after the request was sent.</summary>
    public static Exception NotAnsweredInTime(Operation operation) => operation.HasNoEffect
        ? new GridTimeoutException($"{Name(operation)} was sent and not answered before its deadline.", CallOutcome.NotApplied)
        : new OutcomeUnknownException($"{Name(operation)} was sent and not answered before its deadline: it may or may not take effect.");

    /// <summary>A connection that ended after the request was sent.</summary>
    public static Exception LostAfterSend(Operation operation, Exception cause) =>
        new OutcomeUnknownException($"{Name(operation)} was sent, and the connection ended before it was answered: it may or may not have taken effect.", cause);

    /// <summary>An answer that says what failed.</summary>
    public static Exception FromNode(Operation operation, Status status, string text) => status switch
    {
        Status.BadArgument => new GridArgumentException(text),
        Status.NoSuchPool => new NoSuchPoolException(text),
        Status.PoolExists => new PoolExistsException(text),
        Status.NotAllowed => new NotAllowedException(text),
        Status.Corrupt => new PageCorruptException(text),
        Status.FailedUnknown => new OutcomeUnknownException($"{Name(operation)} failed, and it is not known whether it took effect: {text}"),
        Status.FailedNotApplied => new GridException($"{Name(operation)} failed and was not applied: {text}", CallOutcome.NotApplied),
        Status.Malformed or Status.UnsupportedVersion or Status.UnknownOperation =>
            new GridProtocolException($"The node does not accept {Name(operation)}: {text}", CallOutcome.NotApplied),
        _ => new GridProtocolException(
            $"The node answered {Name(operation)} with the unknown error {(ushort)status}: {text}",
            operation.HasNoEffect ? CallOutcome.NotApplied : CallOutcome.Unknown),
    };

    private static string Name(Operation operation) => operation.Opcode.IsObjectOperation()
        ? $"{operation.Opcode} of {operation.Key}"
        : operation.Opcode.ToString();
}
