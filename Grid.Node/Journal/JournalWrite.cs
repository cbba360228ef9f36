namespace Grid.Node.Journal;

/// <summary>A row of the table <c>journal</c> that is to be written.</summary>
/// <param name="PersistenceId">Whose event.</param>
/// <param name="SequenceNr">Its number.</param>
/// <param name="Manifest">What the serializer says of it.</param>
/// <param name="Serializer">The serializer's number.</param>
/// <param name="Created">When it was made, in ticks.</param>
/// <param name="WriterId">The journal that writes it.</param>
/// <param name="Message">Its bytes.</param>
internal sealed record NewRow(string PersistenceId, long SequenceNr, string Manifest, int Serializer, long Created, string WriterId, byte[] Message);

/// <summary>Rows of one persistence id that are written together or not at all.</summary>
/// <param name="rows">The rows; at least one.</param>
internal sealed class JournalWrite(IReadOnlyList<NewRow> rows)
{
    private readonly TaskCompletionSource _done = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>The rows.</summary>
    public IReadOnlyList<NewRow> Rows { get; } = rows;

    /// <summary>Bytes of its messages.</summary>
    public long Bytes { get; } = rows.Sum(row => (long)row.Message.Length);

    /// <summary>Why it alone was not written, though others of its transaction were.</summary>
    public Exception? Failure { get; set; }

    /// <summary>Completes when the rows are durable; fails where they are not, or where nobody knows (<see cref="WriteFailures"/>).</summary>
    public Task Done => _done.Task;

    /// <summary>Ends it.</summary>
    /// <param name="failure">What its transaction failed with; null where it is committed.</param>
    public void Complete(Exception? failure)
    {
        if ((Failure ?? failure) is { } cause) _done.TrySetException(cause);
        else _done.TrySetResult();
    }
}

/// <summary>Writes rows over one connection. Everything here blocks.</summary>
internal abstract class JournalAppender : IDisposable
{
    /// <summary>
    /// Writes and commits as one transaction. A write whose number is taken already, and only it, is left out and gets its <see cref="JournalWrite.Failure"/>;
    /// any other failure is thrown, and is the failure of all of them.
    /// </summary>
    /// <param name="writes">What to write; at least one.</param>
    public abstract void Append(IReadOnlyList<JournalWrite> writes);

    /// <inheritdoc/>
    public abstract void Dispose();
}
