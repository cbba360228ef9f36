using System.Buffers;
using System.Collections.Concurrent;
using Grid.Protocol;

namespace Grid.Client.Frontends;

/// <summary>
/// Puts and flushes of single pages that cannot take effect late. Each is conditional on a version of its object that was known when it began. So when a call was given up with an unknown
/// outcome, and a later one on the same handle is acknowledged, the condition of the first does not hold any more, wherever it may still be under way.
/// Calls on one handle must not overlap.
/// </summary>
internal sealed class GuardedWrites(Pool pool)
{
    private const int AttemptsMax = 16;
    private const int RememberedMax = 65_536;

    // Any version that was answered will do: one that is too old costs another attempt.
    private readonly ConcurrentDictionary<ObjectId, ObjectVersion> _versions = new();
    private int _remembered;

    /// <summary>Notes an answer's version.</summary>
    public void Learn(ObjectId obj, ObjectVersion version)
    {
        if (!_versions.TryAdd(obj, version))
        {
            _versions[obj] = version;
            return;
        }

        if (Interlocked.Increment(ref _remembered) <= RememberedMax) return;
        Interlocked.Exchange(ref _remembered, 0);
        _versions.Clear();
    }

    /// <summary>Forgets an object's version.</summary>
    public void Forget(ObjectId obj)
    {
        if (_versions.TryRemove(obj, out _)) Interlocked.Decrement(ref _remembered);
    }

    /// <summary>Stores a page; whether it was stored, and not refused.</summary>
    /// <exception cref="GridException">It failed; see <see cref="GridException.Outcome"/>.</exception>
    public async ValueTask<bool> PutAsync(ObjectId obj, uint index, ReadOnlyMemory<byte> page, CallOptions options, CancellationToken cancellationToken) =>
        await WriteAsync(obj, index, new WriteBatch().Put(index, page), options, cancellationToken).ConfigureAwait(false) == BatchOutcome.Applied;

    /// <summary>Removes a page.</summary>
    /// <exception cref="GridException">It failed; see <see cref="GridException.Outcome"/>.</exception>
    public async ValueTask FlushAsync(ObjectId obj, uint index, CallOptions options, CancellationToken cancellationToken) =>
        await WriteAsync(obj, index, new WriteBatch().Flush(index), options, cancellationToken).ConfigureAwait(false);

    private async ValueTask<BatchOutcome> WriteAsync(ObjectId obj, uint index, WriteBatch batch, CallOptions options, CancellationToken cancellationToken)
    {
        if (!_versions.TryGetValue(obj, out var version)) version = await AskAsync(obj, index, options, cancellationToken).ConfigureAwait(false);
        var mayHaveApplied = false;
        for (var attempt = 0; attempt < AttemptsMax; attempt++)
        {
            WriteBatchResult result;
            try
            {
                result = await pool.WriteBatchAsync(obj, batch, version, options, cancellationToken).ConfigureAwait(false);
            }
            catch (GridException e) when (mayHaveApplied && e.Outcome == CallOutcome.NotApplied)
            {
                throw new OutcomeUnknownException($"An earlier attempt may have taken effect: {e.Message}", e);
            }

            Learn(obj, result.Version);
            if (result.Outcome != BatchOutcome.ConditionFailed) return result.Outcome;
            // Sent twice, a batch can be the one that its own condition trips over.
            mayHaveApplied |= options.AtLeastOnce;
            version = result.Version;
        }

        throw new OutcomeUnknownException($"Page {index} of object {obj} of pool {pool.Name} changed {AttemptsMax} times while it was written: somebody else writes it.");
    }

    /// <summary>The object's version, where none is known yet.</summary>
    private async ValueTask<ObjectVersion> AskAsync(ObjectId obj, uint index, CallOptions options, CancellationToken cancellationToken)
    {
        var buffer = ArrayPool<byte>.Shared.Rent(pool.PageSizeBytes);
        try
        {
            var version = (await pool.GetAsync(obj, index, buffer, GetMode.Keep, options, cancellationToken).ConfigureAwait(false)).Version;
            Learn(obj, version);
            return version;
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }
    }
}
