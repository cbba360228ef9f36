using System.Runtime.ExceptionServices;

namespace Grid.Cli.Files;

/// <summary>Many things at a time, ended by the first failure.</summary>
internal static class Parallelism
{
    /// <summary>Runs an action for each item; the first failure stops the others and is what is thrown, not the cancellations that it causes.</summary>
    /// <param name="items">The items.</param>
    /// <param name="degree">How many at a time.</param>
    /// <param name="action">What to do.</param>
    /// <param name="cancellation">Ctrl-C.</param>
    public static async Task ForEachAsync<T>(IEnumerable<T> items, int degree, Func<T, CancellationToken, ValueTask> action, CancellationToken cancellation)
    {
        Exception? first = null;
        try
        {
            await Parallel.ForEachAsync(items, new ParallelOptions { MaxDegreeOfParallelism = degree, CancellationToken = cancellation }, async (item, token) =>
            {
                try
                {
                    await action(item, token);
                }
                catch (Exception e)
                {
                    if (e is not OperationCanceledException) Interlocked.CompareExchange(ref first, e, null);
                    throw;
                }
            });
        }
        catch (Exception) when (first != null)
        {
            ExceptionDispatchInfo.Throw(first);
        }
    }
}
