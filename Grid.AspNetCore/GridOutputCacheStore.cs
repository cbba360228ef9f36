using System.Buffers;
using System.IO.Pipelines;
using Grid.Client;
using Microsoft.AspNetCore.OutputCaching;

namespace Grid.AspNetCore;

/// <summary>
/// ASP.NET's cached responses in a pool of the grid. A tag has a state, a random number that is a value of the cache itself. A response is stored with the states that its tags had when storing it began,
/// and is served only while they have them still. Evicting a tag removes its state: however many responses have the tag, none of them is served any more from that instant on, not even one that is
/// being stored. Their pages go when somebody asks for them, or when they expire.
/// </summary>
internal sealed class GridOutputCacheStore(CacheStore store) : IOutputCacheBufferStore
{
    /// <summary>A state that nobody asked for as long is forgotten; what has the tag is a miss then.</summary>
    private static readonly TimeSpan StateLasts = TimeSpan.FromDays(7);

    public async ValueTask EvictByTagAsync(string tag, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(tag);
        await store.RemoveAsync(store.Locate(CacheDomain.Tag, tag), null, cancellationToken);
    }

    public async ValueTask<byte[]?> GetAsync(string key, CancellationToken cancellationToken)
    {
        var response = await FindAsync(key, cancellationToken);
        using (response.Value) return response.Value is null ? null : response.Bytes.ToArray();
    }

    public async ValueTask<bool> TryGetAsync(string key, PipeWriter destination, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(destination);
        var response = await FindAsync(key, cancellationToken);
        using (response.Value)
        {
            if (response.Value is null) return false;
            await destination.WriteAsync(response.Bytes, cancellationToken);
            return true;
        }
    }

    public ValueTask SetAsync(string key, byte[] value, string[]? tags, TimeSpan validFor, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(value);
        return SetAsync(key, new ReadOnlySequence<byte>(value), tags, validFor, cancellationToken);
    }

    public async ValueTask SetAsync(string key, ReadOnlySequence<byte> value, ReadOnlyMemory<string> tags, TimeSpan validFor, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(key);
        if (validFor <= TimeSpan.Zero) throw new ArgumentOutOfRangeException(nameof(validFor), validFor, "A response must be valid for some time.");
        var at = store.Locate(CacheDomain.Output, key);
        var states = new List<(string, Guid)>();
        foreach (var tag in tags.ToArray().Distinct())
        {
            if (await AddStateAsync(tag, cancellationToken) is { } state)
            {
                states.Add((tag, state));
                continue;
            }

            // The pool takes no more. A response that cannot be evicted by its tags is not stored, and as after any refusal the one before it goes.
            await store.RemoveAsync(at, null, cancellationToken);
            return;
        }

        var lifetime = CacheLifetime.Of(new() { AbsoluteExpirationRelativeToNow = validFor }, store.Now);
        await store.SetAsync(at, TaggedResponse.Join(states, value), lifetime, onlyIfAbsent: false, cancellationToken);
    }

    /// <summary>The response under a key, if all its tags are as they were. The value is to be disposed.</summary>
    private async ValueTask<(CacheValue? Value, ReadOnlyMemory<byte> Bytes)> FindAsync(string key, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(key);
        var at = store.Locate(CacheDomain.Output, key);
        var value = await store.GetAsync(at, renews: false, cancellationToken);
        if (value is null) return default;
        try
        {
            var (tags, response) = TaggedResponse.Split(value.Bytes);
            var states = await Task.WhenAll(tags.Select(tag => StateAsync(tag.Tag, cancellationToken).AsTask()));
            if (tags.Select(tag => (Guid?)tag.State).SequenceEqual(states)) return (value, response);
            await store.RemoveAsync(at, value.Id, cancellationToken);
        }
        catch
        {
            value.Dispose();
            throw;
        }

        value.Dispose();
        return default;
    }

    private async ValueTask<Guid?> StateAsync(string tag, CancellationToken cancellationToken)
    {
        // Whatever the options say of values: a tag's state lasts while somebody asks for it.
        using var state = await store.GetAsync(store.Locate(CacheDomain.Tag, tag), renews: true, cancellationToken);
        return state is null ? null : new Guid(state.Bytes.Span);
    }

    /// <summary>The tag's state, a new one where it has none; null if the pool refuses it.</summary>
    private async ValueTask<Guid?> AddStateAsync(string tag, CancellationToken cancellationToken)
    {
        var at = store.Locate(CacheDomain.Tag, tag);
        while (true)
        {
            if (await StateAsync(tag, cancellationToken) is { } state) return state;
            var mine = Guid.NewGuid();
            var lifetime = CacheLifetime.Of(new() { SlidingExpiration = StateLasts }, store.Now);
            switch (await store.SetAsync(at, new ReadOnlySequence<byte>(mine.ToByteArray()), lifetime, onlyIfAbsent: true, cancellationToken))
            {
                case CacheSetOutcome.Stored:
                    return mine;
                case CacheSetOutcome.Refused:
                    return null;
            }
        }
    }
}
