using System.Collections.Concurrent;
using System.Text.Json;
using Grid.Client;
using Grid.Protocol;
using Grid.Tests.Harness;

namespace Grid.Tests.Kubernetes;

/// <summary>What came of a load: how many calls, and what the failed ones said.</summary>
/// <param name="Calls">Calls that were answered as they must be.</param>
/// <param name="LongestMs">The longest of them took so long.</param>
/// <param name="Failures">The others.</param>
internal sealed record PodLoadResult(long Calls, long LongestMs, IReadOnlyList<string> Failures);

/// <summary>
/// A client of the Grid in a process of its own, where the pods' names are known. It puts pages into a persistent and an ephemeral pool and reads them back, until its standard input
/// ends; then it reads every page once more and prints what came of it.
/// </summary>
internal static class PodLoad
{
    private const int Objects = 24;
    private const uint Pages = 8;

    /// <summary>Printed once every caller's first page is stored.</summary>
    public const string Running = "running";

    private static readonly ConcurrentQueue<string> Failures = new();
    private static long _calls;
    private static long _longestMs;

    /// <summary>Runs the load.</summary>
    /// <returns>0: no call failed.</returns>
    public static async Task<int> RunAsync(string connectionString)
    {
        await using var grid = await GridClient.ConnectAsync(connectionString);
        var vault = await grid.CreatePoolAsync("load", new PoolOptions { Kind = PoolKind.Persistent, Sharing = PoolSharing.Shared });
        var cache = await grid.CreatePoolAsync("load-cache", new PoolOptions { Kind = PoolKind.Ephemeral, Sharing = PoolSharing.Shared });
        using var end = new CancellationTokenSource();
        var first = Enumerable.Range(0, Objects).Select(_ => new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).ToArray();
        var callers = Enumerable.Range(0, Objects).Select(number => CallAsync(vault, cache, (uint)number, first[number], end.Token)).ToArray();
        await Task.WhenAll(first.Select(stored => stored.Task));
        Console.WriteLine(Running);
        while (await Console.In.ReadLineAsync() is not null)
        {
        }

        await end.CancelAsync();
        await Task.WhenAll(callers);
        Console.WriteLine(JsonSerializer.Serialize(new PodLoadResult(_calls, _longestMs, [.. Failures])));
        return Failures.IsEmpty ? 0 : 1;
    }

    private static async Task CallAsync(Pool vault, Pool cache, uint number, TaskCompletionSource first, CancellationToken end)
    {
        var id = ObjectId.FromUInt64(number + 1);
        var (written, read) = (new byte[vault.PageSizeBytes], new byte[vault.PageSizeBytes]);
        var stored = new ulong[Pages];
        for (var round = 1UL; !end.IsCancellationRequested; round++)
        {
            var page = (uint)(round % Pages);
            PageBytes.FillRandom(written, (round << 16) | number);
            await TryAsync($"put {number}/{page}", async () => (await vault.PutAsync(id, page, written)).Stored);
            stored[page] = round;
            first.TrySetResult();
            await TryAsync($"get {number}/{page}", async () => (await vault.GetAsync(id, page, read)).Hit && read.AsSpan().SequenceEqual(written));
            await TryAsync($"put {number}/{page} into the cache", async () => (await cache.PutAsync(id, page, written)).Stored);
            // A cache may lose a page, and may not return another.
            await TryAsync($"get {number}/{page} from the cache", async () => !(await cache.GetAsync(id, page, read)).Hit || read.AsSpan().SequenceEqual(written));
        }

        for (var page = 0u; page < Pages; page++)
        {
            if (stored[page] == 0) continue;
            PageBytes.FillRandom(written, (stored[page] << 16) | number);
            await TryAsync($"last get {number}/{page}", async () => (await vault.GetAsync(id, page, read)).Hit && read.AsSpan().SequenceEqual(written));
        }
    }

    private static async Task TryAsync(string what, Func<Task<bool>> call)
    {
        var began = Environment.TickCount64;
        try
        {
            if (await call()) Interlocked.Increment(ref _calls);
            else Failures.Enqueue($"{what}: not what was stored");
        }
        catch (GridException e)
        {
            Failures.Enqueue($"{what}: {e.Outcome}: {e.Message}");
        }

        var took = Environment.TickCount64 - began;
        for (var longest = Volatile.Read(ref _longestMs); took > longest; longest = Volatile.Read(ref _longestMs))
            if (Interlocked.CompareExchange(ref _longestMs, took, longest) == longest) break;
    }
}
