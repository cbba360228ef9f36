namespace Grid.Node.Frontends.Nbd;

/// <summary>A number of bytes that requests take and give back; who finds too few waits for its turn, in order.</summary>
/// <param name="total">How many there are. A request that takes more alone would wait for ever.</param>
/// <param name="count">Told of bytes taken (more) and given back (less), in large steps.</param>
internal sealed class ByteBudget(long total, Action<long>? count = null)
{
    private const long Step = 8 << 20;
    private readonly Lock _gate = new();
    private readonly Queue<(long Bytes, TaskCompletionSource Turn)> _waiting = [];
    private long _taken;
    private long _counted;

    /// <summary>Bytes that are taken now.</summary>
    public long Taken
    {
        get
        {
            lock (_gate) return _taken;
        }
    }

    /// <summary>Takes bytes, once there are so many.</summary>
    /// <param name="bytes">How many.</param>
    /// <param name="cancellation">Gives up; nothing is taken then.</param>
    public async ValueTask TakeAsync(long bytes, CancellationToken cancellation)
    {
        TaskCompletionSource turn;
        long more;
        lock (_gate)
        {
            if (_waiting.Count == 0 && _taken + bytes <= total)
            {
                _taken += bytes;
                more = Counted();
                turn = null!;
            }
            else
            {
                more = 0;
                turn = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
                _waiting.Enqueue((bytes, turn));
            }
        }

        if (more != 0) count?.Invoke(more);
        if (turn is null) return;
        await using var registration = cancellation.UnsafeRegister(static (state, token) => ((TaskCompletionSource)state!).TrySetCanceled(token), turn);
        try
        {
            await turn.Task.ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            // Those behind it may have been waiting for it only.
            Give(0);
            throw;
        }
    }

    /// <summary>Gives bytes back.</summary>
    /// <param name="bytes">How many.</param>
    public void Give(long bytes)
    {
        long more;
        lock (_gate)
        {
            _taken -= bytes;
            while (_waiting.TryPeek(out var next))
            {
                if (next.Turn.Task.IsCompleted)
                {
                    _waiting.Dequeue();
                    continue;
                }

                if (_taken + next.Bytes > total) break;
                _waiting.Dequeue();
                if (next.Turn.TrySetResult()) _taken += next.Bytes;
            }

            more = Counted();
        }

        if (more != 0) count?.Invoke(more);
    }

    /// <summary>What is to be told: what is taken, rounded up, with a step to spare so that it does not go to and fro.</summary>
    private long Counted()
    {
        var needed = (_taken + Step - 1) / Step * Step;
        if (needed <= _counted && needed + Step >= _counted) return 0;
        var more = needed - _counted;
        _counted = needed;
        return more;
    }
}
