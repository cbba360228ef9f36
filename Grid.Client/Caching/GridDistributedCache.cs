using System.Buffers;
using System.Diagnostics.CodeAnalysis;
using Microsoft.Extensions.Caching.Distributed;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;

namespace Grid.Client;

/// <summary>
/// A distributed cache in a pool of the grid: <c>IDistributedCache</c> for ASP.NET's sessions and everything else that uses one, and <c>IBufferDistributedCache</c> for HybridCache, whose second level
/// it is. One per process is enough: it is safe for use by any number of threads at once. It connects when it is first used.
/// </summary>
/// <remarks>
/// A value is read whole or not at all, whoever writes at the same time. A miss is an answer, whatever the reason: never stored, removed, expired, evicted (ephemeral pools), refused. What fails throws a
/// <see cref="GridException"/>. Times are those of each process's own clock. The synchronous members block the calling thread; prefer the others.
/// </remarks>
[SuppressMessage("ApiDesign", "RS0026", Justification = "The overloads are those of the interfaces.")]
public sealed class GridDistributedCache : IBufferDistributedCache, IAsyncDisposable, IDisposable
{
    private readonly CacheStore _store;
    private readonly bool _ownsStore;

    /// <summary>Makes a cache; nothing is connected yet.</summary>
    /// <param name="options">Where the values are and how.</param>
    /// <param name="time">The clock that expirations go by; null is the system's.</param>
    /// <param name="loggers">Where it logs, in category <c>Grid.Cache</c>; null is nowhere.</param>
    /// <exception cref="OptionsValidationException">An option makes no sense; the message names all that do not.</exception>
    public GridDistributedCache(GridCacheOptions options, TimeProvider? time = null, ILoggerFactory? loggers = null)
    {
        ArgumentNullException.ThrowIfNull(options);
        var check = new GridCacheOptionsCheck().Validate(null, options);
        if (check.Failed) throw new OptionsValidationException(Microsoft.Extensions.Options.Options.DefaultName, typeof(GridCacheOptions), check.Failures);
        _store = new CacheStore(options, time ?? TimeProvider.System, (loggers ?? NullLoggerFactory.Instance).CreateLogger(CacheLog.Category));
        _ownsStore = true;
    }

    internal GridDistributedCache(CacheStore store) => _store = store;

    internal CacheStore Store => _store;

    /// <summary>The value under a key, or null. Blocks.</summary>
    /// <param name="key">The key: any text.</param>
    /// <exception cref="GridException">It failed.</exception>
    public byte[]? Get(string key) => Blocking.Wait(GetAsync(key));

    /// <summary>The value under a key, or null. Renews a sliding expiration (<see cref="GridCacheOptions.RenewOnGet"/>).</summary>
    /// <param name="key">The key: any text.</param>
    /// <param name="token">Gives the call up.</param>
    /// <exception cref="GridException">It failed.</exception>
    public async Task<byte[]?> GetAsync(string key, CancellationToken token = default)
    {
        ArgumentNullException.ThrowIfNull(key);
        token.ThrowIfCancellationRequested();
        using var value = await _store.GetAsync(_store.Locate(CacheDomain.Value, key), _store.RenewsOnGet, token).ConfigureAwait(false);
        return value?.Bytes.ToArray();
    }

    /// <summary>Writes the value under a key to a buffer. Blocks.</summary>
    /// <param name="key">The key: any text.</param>
    /// <param name="destination">Gets all of the value, or nothing.</param>
    /// <returns>Whether there is a value.</returns>
    /// <exception cref="GridException">It failed; nothing was written.</exception>
    public bool TryGet(string key, IBufferWriter<byte> destination) => Blocking.Wait(TryGetAsync(key, destination).AsTask());

    /// <summary>Writes the value under a key to a buffer. Renews a sliding expiration (<see cref="GridCacheOptions.RenewOnGet"/>).</summary>
    /// <param name="key">The key: any text.</param>
    /// <param name="destination">Gets all of the value, or nothing.</param>
    /// <param name="token">Gives the call up.</param>
    /// <returns>Whether there is a value.</returns>
    /// <exception cref="GridException">It failed; nothing was written.</exception>
    public async ValueTask<bool> TryGetAsync(string key, IBufferWriter<byte> destination, CancellationToken token = default)
    {
        ArgumentNullException.ThrowIfNull(key);
        ArgumentNullException.ThrowIfNull(destination);
        token.ThrowIfCancellationRequested();
        using var value = await _store.GetAsync(_store.Locate(CacheDomain.Value, key), _store.RenewsOnGet, token).ConfigureAwait(false);
        if (value is null) return false;
        destination.Write(value.Bytes.Span);
        return true;
    }

    /// <summary>Stores a value, in place of the one that may be there. Blocks.</summary>
    /// <param name="key">The key: any text.</param>
    /// <param name="value">The value; it may be empty.</param>
    /// <param name="options">When it expires; never, if that says nothing.</param>
    /// <exception cref="ArgumentException">The value is longer than <see cref="GridCacheOptions.MaxValueBytes"/>, or its absolute expiration has passed.</exception>
    /// <exception cref="GridException">It failed; see <see cref="GridException.Outcome"/>.</exception>
    public void Set(string key, byte[] value, DistributedCacheEntryOptions options) => Blocking.Wait(SetAsync(key, value, options));

    /// <summary>Stores a value, in place of the one that may be there. Where the pool refuses it, nothing is under the key afterwards.</summary>
    /// <param name="key">The key: any text.</param>
    /// <param name="value">The value; it may be empty. It must not change until the call has ended.</param>
    /// <param name="options">When it expires; never, if that says nothing. What would live for less than a second is not stored.</param>
    /// <param name="token">Gives the call up; whether the value was stored is then unknown.</param>
    /// <exception cref="ArgumentException">The value is longer than <see cref="GridCacheOptions.MaxValueBytes"/>, or its absolute expiration has passed.</exception>
    /// <exception cref="GridException">It failed; see <see cref="GridException.Outcome"/>. If it was not applied, what was there is there.</exception>
    public Task SetAsync(string key, byte[] value, DistributedCacheEntryOptions options, CancellationToken token = default)
    {
        ArgumentNullException.ThrowIfNull(key);
        ArgumentNullException.ThrowIfNull(value);
        ArgumentNullException.ThrowIfNull(options);
        return SetAsync(key, new ReadOnlySequence<byte>(value), options, token).AsTask();
    }

    /// <summary>Stores a value, in place of the one that may be there. Blocks.</summary>
    /// <param name="key">The key: any text.</param>
    /// <param name="value">The value; it may be empty.</param>
    /// <param name="options">When it expires; never, if that says nothing.</param>
    /// <exception cref="ArgumentException">The value is longer than <see cref="GridCacheOptions.MaxValueBytes"/>, or its absolute expiration has passed.</exception>
    /// <exception cref="GridException">It failed; see <see cref="GridException.Outcome"/>.</exception>
    public void Set(string key, ReadOnlySequence<byte> value, DistributedCacheEntryOptions options) => Blocking.Wait(SetAsync(key, value, options).AsTask());

    /// <summary>Stores a value, in place of the one that may be there. Where the pool refuses it, nothing is under the key afterwards.</summary>
    /// <param name="key">The key: any text.</param>
    /// <param name="value">The value; it may be empty. It must not change until the call has ended.</param>
    /// <param name="options">When it expires; never, if that says nothing. What would live for less than a second is not stored.</param>
    /// <param name="token">Gives the call up; whether the value was stored is then unknown.</param>
    /// <exception cref="ArgumentException">The value is longer than <see cref="GridCacheOptions.MaxValueBytes"/>, or its absolute expiration has passed.</exception>
    /// <exception cref="GridException">It failed; see <see cref="GridException.Outcome"/>. If it was not applied, what was there is there.</exception>
    public async ValueTask SetAsync(string key, ReadOnlySequence<byte> value, DistributedCacheEntryOptions options, CancellationToken token = default)
    {
        ArgumentNullException.ThrowIfNull(key);
        ArgumentNullException.ThrowIfNull(options);
        token.ThrowIfCancellationRequested();
        var lifetime = CacheLifetime.Of(options, _store.Now);
        var at = _store.Locate(CacheDomain.Value, key);
        if (lifetime.IsTooShort) await _store.RemoveAsync(at, null, token).ConfigureAwait(false);
        else await _store.SetAsync(at, value, lifetime, onlyIfAbsent: false, token).ConfigureAwait(false);
    }

    /// <summary>Renews a sliding expiration, if there is a value under the key and it has one. Blocks.</summary>
    /// <param name="key">The key: any text.</param>
    /// <exception cref="GridException">It failed.</exception>
    public void Refresh(string key) => Blocking.Wait(RefreshAsync(key));

    /// <summary>Renews a sliding expiration, if there is a value under the key and it has one.</summary>
    /// <param name="key">The key: any text.</param>
    /// <param name="token">Gives the call up.</param>
    /// <exception cref="GridException">It failed.</exception>
    public Task RefreshAsync(string key, CancellationToken token = default)
    {
        ArgumentNullException.ThrowIfNull(key);
        token.ThrowIfCancellationRequested();
        return _store.RefreshAsync(_store.Locate(CacheDomain.Value, key), token).AsTask();
    }

    /// <summary>Removes what is under a key; nothing being there is no error. Blocks.</summary>
    /// <param name="key">The key: any text.</param>
    /// <exception cref="GridException">It failed.</exception>
    public void Remove(string key) => Blocking.Wait(RemoveAsync(key));

    /// <summary>Removes what is under a key; nothing being there is no error.</summary>
    /// <param name="key">The key: any text.</param>
    /// <param name="token">Gives the call up; whether the value was removed is then unknown.</param>
    /// <exception cref="GridException">It failed.</exception>
    public Task RemoveAsync(string key, CancellationToken token = default)
    {
        ArgumentNullException.ThrowIfNull(key);
        token.ThrowIfCancellationRequested();
        return _store.RemoveAsync(_store.Locate(CacheDomain.Value, key), null, token).AsTask();
    }

    /// <summary>Closes the connection, if the cache opened it. What is cached stays.</summary>
    public ValueTask DisposeAsync() => _ownsStore ? _store.DisposeAsync() : default;

    /// <summary>Closes the connection, if the cache opened it. What is cached stays. Blocks.</summary>
    public void Dispose() => Blocking.Wait(DisposeAsync().AsTask());
}
