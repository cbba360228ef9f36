using Akka.Actor;
using Akka.Event;
using Grid.Protocol;

namespace Grid.Node.Pools;

/// <summary>
/// Deletes the journals of destroyed pools, one pool at a time and each until it succeeds. Child of the registry, which remembers what is left to
/// sweep and tells again after a restart.
/// </summary>
internal sealed class PoolSweeper : ReceiveActor, IWithTimers
{
    private static readonly TimeSpan MaxBackoff = TimeSpan.FromMinutes(1);
    private readonly PoolsSettings _settings;
    private readonly Queue<PoolId> _waiting = new();
    private readonly CancellationTokenSource _stopping = new();
    private readonly ILoggingAdapter _log = Context.GetLogger();
    private PoolId? _current;
    private int _failures;

    public PoolSweeper(PoolsSettings settings)
    {
        _settings = settings;
        Receive<Sweep>(sweep =>
        {
            _waiting.Enqueue(sweep.Pool);
            if (_current is null) Next();
        });
        Receive<Begin>(_ => Delete());
        Receive<Deleted>(OnDeleted);
    }

    /// <summary>Asks for a pool's journal to be swept; answered with <see cref="Done"/>.</summary>
    public sealed record Sweep(PoolId Pool) : INoSerializationVerificationNeeded;

    /// <summary>A pool has nothing in the journal any more.</summary>
    public sealed record Done(PoolId Pool) : INoSerializationVerificationNeeded;

    private sealed record Begin : INoSerializationVerificationNeeded;

    private sealed record Deleted(Exception? Failure) : INoSerializationVerificationNeeded;

    public ITimerScheduler Timers { get; set; } = null!;

    protected override void PostStop()
    {
        _stopping.Cancel();
        _stopping.Dispose();
    }

    private void Next()
    {
        _failures = 0;
        _current = _waiting.TryDequeue(out var pool) ? pool : null;
        if (_current is not null) Timers.StartSingleTimer(nameof(Begin), new Begin(), _settings.SweepDelay);
    }

    private void Delete() => _ = DeleteAsync(_settings.DeletePool, _current!.Value, _stopping.Token).PipeTo(Self);

    private static async Task<Deleted> DeleteAsync(Func<PoolId, CancellationToken, Task> deletePool, PoolId pool, CancellationToken stopping)
    {
        try
        {
            await deletePool(pool, stopping).ConfigureAwait(false);
            return new Deleted(null);
        }
        catch (Exception failure)
        {
            return new Deleted(failure);
        }
    }

    private void OnDeleted(Deleted deleted)
    {
        if (deleted.Failure is null)
        {
            Context.Parent.Tell(new Done(_current!.Value));
            Next();
            return;
        }

        var pause = _settings.SweepBackoff * Math.Pow(2, Math.Min(_failures++, 16));
        if (pause > MaxBackoff) pause = MaxBackoff;
        _log.Warning(deleted.Failure, "Pool {0} is destroyed, but its journal could not be swept; again in {1}", _current, pause);
        Timers.StartSingleTimer(nameof(Begin), new Begin(), pause);
    }
}
