using Akka.Configuration;
using Akka.Dispatch;

namespace Grid.Node.Objects;

/// <summary>
/// Runs the mailboxes of object actors on the thread that filled them. A gateway that has parsed a batch of requests would otherwise wake
/// another thread, which would wake the gateway again to write the answers: two hops that cost more than the work. Between <see cref="Begin"/> and
/// <see cref="RunAll"/> mailboxes that become runnable on this thread are gathered; everywhere else they go to the thread pool as usual.
/// A mailbox runs on one thread at a time either way, for Akka hands each one out once until it is idle again.
/// </summary>
internal sealed class InlineRun
{
    private const int MaxGathered = 64;

    [ThreadStatic]
    private static InlineRun? _current;

    private readonly IRunnable?[] _gathered = new IRunnable?[MaxGathered];
    private int _count;

    /// <summary>Gathers from here on, on this thread.</summary>
    public void Begin() => _current = this;

    /// <summary>Stops gathering and runs what was gathered.</summary>
    public void RunAll()
    {
        _current = null;
        for (var i = 0; i < _count; i++)
        {
            var run = _gathered[i]!;
            _gathered[i] = null;
            run.Run();
        }

        _count = 0;
    }

    /// <summary>Takes a mailbox for the gathering thread; false where nothing is being gathered or enough already is.</summary>
    public static bool TryGather(IRunnable run)
    {
        var current = _current;
        if (current is null || current._count == MaxGathered) return false;
        current._gathered[current._count++] = run;
        return true;
    }
}

/// <summary>The executor of <c>grid-object-dispatcher</c>: inline where a gateway gathers, else the thread pool.</summary>
/// <param name="config">The dispatcher's configuration.</param>
/// <param name="prerequisites">Akka's.</param>
public sealed class InlineExecutorConfigurator(Config config, IDispatcherPrerequisites prerequisites)
    : ExecutorServiceConfigurator(config, prerequisites)
{
    /// <inheritdoc/>
    public override ExecutorService Produce(string id) => new InlineExecutor(id);

    private sealed class InlineExecutor(string id) : ExecutorService(id)
    {
        public override void Execute(IRunnable run)
        {
            if (!InlineRun.TryGather(run)) ThreadPool.UnsafeQueueUserWorkItem(run, preferLocal: true);
        }

        public override void Shutdown()
        {
            // The thread pool is not ours to stop.
        }
    }
}
