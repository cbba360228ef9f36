using System.Buffers.Binary;
using Grid.Client;
using Grid.Protocol;

namespace Grid.Bench.Harness;

/// <summary>Pages that nothing compresses, each determined by its index and version: they are made and checked at the speed of a copy, however many there are.</summary>
internal sealed class StampedPages
{
    private const int StampBytes = 16;
    private const int Distinct = 1021;
    private readonly byte[] _random = new byte[Distinct * Payload.PageBytes];

    /// <summary>Makes the random bytes.</summary>
    public StampedPages() => new Random(20240229).NextBytes(_random);

    /// <summary>Makes a page.</summary>
    /// <param name="page">Where to.</param>
    /// <param name="index">Its index.</param>
    /// <param name="version">Which of the pages put there.</param>
    public void Fill(Span<byte> page, uint index, uint version)
    {
        Body(index, version).CopyTo(page);
        Stamp(page, index, version);
    }

    /// <summary>Puts pages as one batch.</summary>
    /// <param name="pool">Into which pool.</param>
    /// <param name="id">Into which object.</param>
    /// <param name="indexes">Their indexes, at most a batch of them.</param>
    /// <param name="version">Which version of each.</param>
    /// <param name="buffer">Room for all of them.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <exception cref="BenchException">The node refused them.</exception>
    public async Task PutAsync(Pool pool, ObjectId id, IReadOnlyList<uint> indexes, uint version, byte[] buffer, CancellationToken cancellation)
    {
        var batch = new WriteBatch();
        for (var i = 0; i < indexes.Count; i++)
        {
            var page = buffer.AsMemory(i * Payload.PageBytes, Payload.PageBytes);
            Fill(page.Span, indexes[i], version);
            batch.Put(indexes[i], page);
        }

        var result = await pool.WriteBatchAsync(id, batch, null, null, cancellation);
        if (result.Outcome != BatchOutcome.Applied) throw new BenchException($"the node refused a batch: {result.Reason}");
    }

    /// <summary>Whether a page is the one of an index and a version, in every byte.</summary>
    /// <param name="page">The page.</param>
    /// <param name="index">The index.</param>
    /// <param name="version">The version.</param>
    public bool Is(ReadOnlySpan<byte> page, uint index, uint version)
    {
        Span<byte> stamp = stackalloc byte[StampBytes];
        Stamp(stamp, index, version);
        return page[..StampBytes].SequenceEqual(stamp) && page[StampBytes..].SequenceEqual(Body(index, version)[StampBytes..]);
    }

    private static void Stamp(Span<byte> page, uint index, uint version)
    {
        BinaryPrimitives.WriteUInt32LittleEndian(page, index);
        BinaryPrimitives.WriteUInt32LittleEndian(page[4..], version);
        BinaryPrimitives.WriteUInt64LittleEndian(page[8..], ((ulong)index << 32 | version) * 0x9E3779B97F4A7C15);
    }

    private ReadOnlySpan<byte> Body(uint index, uint version) => _random.AsSpan((int)(((index * 31UL) + version) % Distinct) * Payload.PageBytes, Payload.PageBytes);
}
