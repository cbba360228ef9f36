using System.Buffers;
using System.Collections.Concurrent;
using Microsoft.AspNetCore.Connections;

namespace Grid.Node.Gateway;

/// <summary>
/// The buffers of data connections, in blocks that hold many pages. Kestrel receives at most one block at a time: with its own blocks of 4 KiB a page
/// takes two receives or three, each of them a system call and a turn of the connection's loop (measured: half the puts a second).
/// </summary>
/// <param name="count">Told how many bytes were taken from, or (negative) given back to, the process's memory.</param>
internal sealed class BlockPool(Action<long> count) : MemoryPool<byte>
{
    /// <summary>Bytes of a block: what one receive can bring.</summary>
    private const int BlockBytes = 64 << 10;

    /// <summary>Blocks that are kept for their next use; what is given back beyond that is left to the garbage collector.</summary>
    private const int MaxKept = 128;

    private readonly ConcurrentQueue<Block> _free = new();
    private int _kept;
    private volatile bool _isDisposed;

    /// <inheritdoc/>
    public override int MaxBufferSize => BlockBytes;

    /// <inheritdoc/>
    public override IMemoryOwner<byte> Rent(int minBufferSize = -1)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(minBufferSize, BlockBytes);
        if (_free.TryDequeue(out var block))
        {
            Interlocked.Decrement(ref _kept);
            block.IsOut = true;
            return block;
        }

        count(BlockBytes);
        return new Block(this);
    }

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        _isDisposed = true;
        _free.Clear();
    }

    private void Return(Block block)
    {
        if (!_isDisposed && Interlocked.Increment(ref _kept) <= MaxKept)
        {
            _free.Enqueue(block);
            return;
        }

        if (!_isDisposed) Interlocked.Decrement(ref _kept);
        count(-BlockBytes);
    }

    /// <summary>Makes Kestrel's pools.</summary>
    /// <param name="count">Told how many bytes they take.</param>
    public sealed class Factory(Action<long> count) : IMemoryPoolFactory<byte>
    {
        /// <inheritdoc/>
        public MemoryPool<byte> Create(MemoryPoolOptions? options = null) => new BlockPool(count);
    }

    private sealed class Block(BlockPool pool) : IMemoryOwner<byte>
    {
        // Pinned for good: it is given to the kernel over and over.
        private readonly byte[] _bytes = GC.AllocateUninitializedArray<byte>(BlockBytes, pinned: true);
        private bool _isOut = true;

        public bool IsOut
        {
            set => Volatile.Write(ref _isOut, value);
        }

        public Memory<byte> Memory => _bytes;

        public void Dispose()
        {
            if (Interlocked.Exchange(ref _isOut, false)) pool.Return(this);
        }
    }
}
