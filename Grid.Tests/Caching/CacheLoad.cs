using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Diagnostics;
using System.Security.Cryptography;
using System.Text;
using Grid.Client;
using Grid.Protocol;
using Grid.Tests.Harness;
using Microsoft.Extensions.Caching.Distributed;
using Microsoft.Extensions.Caching.Hybrid;
using Microsoft.Extensions.DependencyInjection;
using Xunit;

namespace Grid.Tests.Caching;

/// <summary>
/// Programs that share a cache, each with a HybridCache over a cache of its own, and callers in them that store, read and remove values of all sizes under the same few keys. A value says its key, number and
/// length and ends with a checksum; every call of the distributed cache goes into a history.
/// </summary>
internal sealed class CacheLoad : IAsyncDisposable
{
    private const int Programs = 2;
    private const int CallersPerProgram = 4;
    private const int Keys = 12;
    private const int HeadBytes = 32;
    private const int LengthAt = 24;

    /// <summary>In the slot, in one batch with it, in several; the longer, the rarer.</summary>
    private static readonly (int Bytes, int Weight)[] Sizes = [(100, 30), (3800, 20), (5000, 20), (60_000, 15), (400_000, 10), (1_500_000, 3), (3_500_000, 2)];

    private static readonly HybridCacheEntryOptions ReadOnly = new()
    {
        Flags = HybridCacheEntryFlags.DisableLocalCache | HybridCacheEntryFlags.DisableUnderlyingData | HybridCacheEntryFlags.DisableDistributedCacheWrite,
    };

    private static readonly HybridCacheEntryOptions WriteThrough = new() { Flags = HybridCacheEntryFlags.DisableLocalCache, Expiration = TimeSpan.FromHours(1) };
    private static readonly DistributedCacheEntryOptions NoExpiration = new();

    private readonly CancellationTokenSource _stop = new();
    private readonly List<ServiceProvider> _programs = [];
    private readonly List<Task> _callers = [];
    private readonly ConcurrentQueue<string> _wrong = new();
    private long _numbers;
    private long _calls;
    private long _failed;

    private CacheLoad(PoolKind kind) => Kind = kind;

    public PoolKind Kind { get; }

    public CacheHistory History { get; } = new(TimeProvider.System);

    public long Calls => Interlocked.Read(ref _calls);

    /// <summary>Starts the callers.</summary>
    /// <param name="connectionString">The grid.</param>
    /// <param name="kind">The pool that the cache makes.</param>
    /// <param name="seed">What each caller does follows from it; how they interleave does not.</param>
    public static CacheLoad Start(string connectionString, PoolKind kind, int seed)
    {
        var load = new CacheLoad(kind);
        for (var i = 0; i < Programs; i++)
        {
            var program = load.NewProgram(connectionString);
            load._programs.Add(program);
            for (var caller = 0; caller < CallersPerProgram; caller++)
            {
                var random = new Random(unchecked(seed + (((((int)kind * Programs) + i) * CallersPerProgram) + caller)));
                var isHybrid = caller % 2 == 0;
                load._callers.Add(Task.Run(() => load.CallAsync(program, isHybrid, random)));
            }
        }

        return load;
    }

    /// <summary>Stores and reads keys of its own until each has succeeded once: how long that took.</summary>
    public async Task<TimeSpan> AnswersAsync(string run, TimeSpan deadline)
    {
        var clock = Stopwatch.StartNew();
        var cache = Direct(_programs[0]);
        await Task.WhenAll(Enumerable.Range(0, 40).Select(i => Eventually.TrueAsync(
            async () =>
            {
                var key = $"{run} {i}";
                try
                {
                    await cache.SetAsync(key, NewValue(key, 100), NoExpiration);
                    return Check(key, await cache.GetAsync(key)) || Kind == PoolKind.Ephemeral;
                }
                catch (GridException)
                {
                    return false;
                }
            },
            $"the {Kind} cache answers again ({run})",
            deadline)));
        return clock.Elapsed;
    }

    /// <summary>Ends the callers and reads every key once more, through each program.</summary>
    public async Task StopAsync()
    {
        await _stop.CancelAsync();
        await Task.WhenAll(_callers);
        foreach (var program in _programs)
        {
            for (var i = 0; i < Keys; i++)
            {
                Check(DirectKey(i), await Direct(program).GetAsync(DirectKey(i)));
                Check(HybridKey(i), await Hybrid(program).GetOrCreateAsync(HybridKey(i), Nothing, ReadOnly));
            }
        }
    }

    /// <summary>Nothing was read that may not be, and enough happened to say so.</summary>
    public void AssertKept()
    {
        var violations = _wrong.Concat(History.Violations(mayVanish: Kind == PoolKind.Ephemeral)).ToList();
        Assert.True(violations.Count == 0, $"{Kind}: {violations.Count} violations\n{string.Join('\n', violations.Take(10))}");
        Assert.True(History.Acknowledged > 100 && History.Hits > 100, $"the run shows nothing: {this}");
    }

    public override string ToString() =>
        $"{Kind}: {Calls} calls, {History.Acknowledged} changes acknowledged, {History.Unknown} unknown, {History.NotApplied} not applied, {History.Hits} hits, {History.Misses} misses, {Interlocked.Read(ref _failed)} failures";

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await Task.WhenAll(_callers);
        foreach (var program in _programs) await program.DisposeAsync();
        _stop.Dispose();
    }

    private static IDistributedCache Direct(ServiceProvider program) => program.GetRequiredService<IDistributedCache>();

    private static HybridCache Hybrid(ServiceProvider program) => program.GetRequiredService<HybridCache>();

    private static string DirectKey(int key) => $"direct {key}";

    private static string HybridKey(int key) => $"hybrid {key}";

    private static ValueTask<byte[]?> Nothing(CancellationToken cancellationToken) => ValueTask.FromResult<byte[]?>(null);

    private ServiceProvider NewProgram(string connectionString)
    {
        var services = new ServiceCollection();
        services.AddGridDistributedCache(options =>
        {
            options.ConnectionString = connectionString;
            options.Pool = $"cache-{Kind}";
            options.NewPool = new PoolOptions { Kind = Kind, Sharing = PoolSharing.Shared, Compression = PageCompression.Lz4 };
        });
        var grid = services.Last(item => item.ServiceType == typeof(IDistributedCache)).ImplementationFactory!;
        services.AddSingleton<IDistributedCache>(program => new WitnessedCache((GridDistributedCache)grid(program), History));
        services.AddHybridCache(options => options.MaximumPayloadBytes = 8 << 20);
        return services.BuildServiceProvider();
    }

    private async Task CallAsync(ServiceProvider program, bool isHybrid, Random random)
    {
        while (!_stop.IsCancellationRequested)
        {
            try
            {
                if (isHybrid) await CallAsync(Hybrid(program), HybridKey(random.Next(Keys)), random);
                else await CallAsync(Direct(program), DirectKey(random.Next(Keys)), random);
            }
            catch (GridException)
            {
                Interlocked.Increment(ref _failed);
            }

            Interlocked.Increment(ref _calls);
        }
    }

    private async Task CallAsync(IDistributedCache cache, string key, Random random)
    {
        switch (random.Next(10))
        {
            case < 5:
                Check(key, await cache.GetAsync(key));
                break;
            case < 9:
                await cache.SetAsync(key, NewValue(key, AnySize(random)), NoExpiration);
                break;
            default:
                await cache.RemoveAsync(key);
                break;
        }
    }

    private async Task CallAsync(HybridCache cache, string key, Random random)
    {
        switch (random.Next(10))
        {
            case < 5:
                Check(key, await cache.GetOrCreateAsync(key, Nothing, ReadOnly));
                break;
            case < 9:
                await cache.SetAsync(key, NewValue(key, AnySize(random)), WriteThrough);
                break;
            default:
                await cache.RemoveAsync(key);
                break;
        }
    }

    private static int AnySize(Random random)
    {
        var at = random.Next(Sizes.Sum(size => size.Weight));
        return Sizes.First(size => (at -= size.Weight) < 0).Bytes + random.Next(50);
    }

    /// <summary>A value that no other is equal to: key, number, length, bytes that follow from the number, checksum.</summary>
    private byte[] NewValue(string key, int bytes)
    {
        var number = Interlocked.Increment(ref _numbers);
        var value = new byte[bytes];
        new Random((int)number).NextBytes(value);
        value.AsSpan(0, HeadBytes).Clear();
        Encoding.UTF8.GetBytes(key, value);
        BinaryPrimitives.WriteInt32LittleEndian(value.AsSpan(LengthAt - sizeof(int)), (int)number);
        BinaryPrimitives.WriteInt32LittleEndian(value.AsSpan(LengthAt), bytes);
        SHA256.HashData(value.AsSpan(0, bytes - SHA256.HashSizeInBytes), value.AsSpan(bytes - SHA256.HashSizeInBytes));
        return value;
    }

    /// <summary>Notes what is wrong with a value that was read; whether there is one.</summary>
    private bool Check(string key, byte[]? value)
    {
        if (value is null) return false;
        if (value.Length < HeadBytes + SHA256.HashSizeInBytes) _wrong.Enqueue($"{key}: a value of {value.Length} bytes");
        else if (!SHA256.HashData(value.AsSpan(0, value.Length - SHA256.HashSizeInBytes)).AsSpan().SequenceEqual(value.AsSpan(value.Length - SHA256.HashSizeInBytes)))
            _wrong.Enqueue($"{key}: a torn or mixed value of {value.Length} bytes");
        else if (Encoding.UTF8.GetString(value.AsSpan(0, LengthAt - sizeof(int))).TrimEnd('\0') != key) _wrong.Enqueue($"{key}: another key's value");
        else if (BinaryPrimitives.ReadInt32LittleEndian(value.AsSpan(LengthAt)) != value.Length) _wrong.Enqueue($"{key}: {value.Length} bytes of a value of another length");
        return true;
    }
}
