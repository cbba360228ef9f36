using System.Runtime.InteropServices;
using Grid.Client;
using Grid.Protocol;

namespace Grid.Cli.Demo;

/// <summary>What was found when a pool was read back.</summary>
/// <param name="Equal">Pages that are exactly what was put.</param>
/// <param name="Missing">Pages that are not there.</param>
/// <param name="Wrong">Pages with other bytes.</param>
internal readonly record struct ReadBack(int Equal, int Missing, int Wrong);

/// <summary>Pages that can be told from their place: every object and index has bytes of its own.</summary>
/// <param name="pool">Where they are.</param>
/// <param name="objects">How many objects.</param>
/// <param name="pagesPerObject">Pages of each.</param>
internal sealed class DemoPages(Pool pool, int objects, int pagesPerObject)
{
    private const int AtOnce = 64;

    /// <summary>How many there are.</summary>
    public int Count => objects * pagesPerObject;

    /// <summary>The pool's name.</summary>
    public string Name => pool.Name;

    /// <summary>Objects they are in.</summary>
    public int Objects => objects;

    /// <summary>Puts all of them.</summary>
    /// <returns>How many were stored.</returns>
    public async Task<int> WriteAsync(Action<int> progress, CancellationToken cancellation)
    {
        var (stored, done) = (0, 0);
        await Parallel.ForAsync(0, Count, Options(cancellation), async (number, token) =>
        {
            var page = new byte[pool.PageSizeBytes];
            Fill(page, pool.Id.Value, (ulong)number);
            if ((await pool.PutAsync(ObjectOf(number), IndexOf(number), page, cancellationToken: token)).Stored) Interlocked.Increment(ref stored);
            progress(Interlocked.Increment(ref done));
        });
        return stored;
    }

    /// <summary>Reads all of them and compares.</summary>
    public async Task<ReadBack> ReadAsync(Action<int> progress, CancellationToken cancellation)
    {
        var (equal, missing, wrong, done) = (0, 0, 0, 0);
        await Parallel.ForAsync(0, Count, Options(cancellation), async (number, token) =>
        {
            var (page, expected) = (new byte[pool.PageSizeBytes], new byte[pool.PageSizeBytes]);
            var got = await pool.GetAsync(ObjectOf(number), IndexOf(number), page, GetMode.Keep, cancellationToken: token);
            Fill(expected, pool.Id.Value, (ulong)number);
            if (!got.Hit) Interlocked.Increment(ref missing);
            else if (page.AsSpan().SequenceEqual(expected)) Interlocked.Increment(ref equal);
            else Interlocked.Increment(ref wrong);
            progress(Interlocked.Increment(ref done));
        });
        return new ReadBack(equal, missing, wrong);
    }

    /// <summary>Asks for one page of every object, all at once; returns when every object has answered.</summary>
    public Task TouchAsync(Action<int> progress, CancellationToken cancellation)
    {
        var done = 0;
        return Task.WhenAll(Enumerable.Range(0, objects).Select(async obj =>
        {
            await pool.GetAsync(ObjectOf(obj), 0, new byte[pool.PageSizeBytes], GetMode.Keep, cancellationToken: cancellation);
            progress(Interlocked.Increment(ref done));
        }));
    }

    /// <summary>Fills a page with bytes of its own (SplitMix64).</summary>
    public static void Fill(Span<byte> page, ulong seed, ulong number)
    {
        var state = (seed << 40) ^ number;
        foreach (ref var word in MemoryMarshal.Cast<byte, ulong>(page))
        {
            state += 0x9E3779B97F4A7C15;
            var z = state;
            z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
            z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
            word = z ^ (z >> 31);
        }
    }

    private static ParallelOptions Options(CancellationToken cancellation) => new() { MaxDegreeOfParallelism = AtOnce, CancellationToken = cancellation };

    // Neighbours in time are in different objects, so that many of them share a commit.
    private ObjectId ObjectOf(int number) => ObjectId.FromUInt64((ulong)(number % objects));

    private uint IndexOf(int number) => (uint)(number / objects);
}
