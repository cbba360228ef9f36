using Grid.Bench.Harness;

namespace Grid.Bench.Targets;

/// <summary>Something that holds pages: the Grid or a peer.</summary>
internal abstract class PageTarget : IAsyncDisposable
{
    /// <summary>Its name.</summary>
    public abstract string Name { get; }

    /// <summary>What a case does on it; null where it has nothing like that.</summary>
    /// <param name="kind">What the case does.</param>
    public abstract RequestLoop? LoopOf(CaseKind kind);

    /// <summary>Reads a page, to compare it.</summary>
    /// <param name="key">The key.</param>
    /// <returns>The page; null where there is none.</returns>
    public abstract Task<byte[]?> ReadAsync(int key);

    /// <summary>Stores a page under every key.</summary>
    /// <param name="payload">What is stored.</param>
    /// <param name="cancellation">Gives up.</param>
    public abstract Task FillAsync(Payload payload, CancellationToken cancellation);

    /// <inheritdoc/>
    public abstract ValueTask DisposeAsync();

    /// <summary>Compares some pages, whole, with what was stored.</summary>
    /// <param name="payload">What was stored.</param>
    /// <param name="samples">How many.</param>
    /// <exception cref="BenchException">One is missing or wrong.</exception>
    public async Task VerifyAsync(Payload payload, int samples)
    {
        for (var i = 0; i < samples; i++)
        {
            var key = Random.Shared.Next(Payload.Keys);
            var page = await ReadAsync(key) ?? throw new BenchException($"{Name}: the page of key {key} is missing");
            if (!payload.IsPageOf(key, page)) throw new BenchException($"{Name}: the page of key {key} is not what was stored");
        }
    }
}
