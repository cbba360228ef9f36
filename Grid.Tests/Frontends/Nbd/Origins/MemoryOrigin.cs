using Grid.Node.Frontends.Nbd;
using Grid.Node.Frontends.Nbd.Origins;

namespace Grid.Tests.Frontends.Nbd.Origins;

/// <summary>An origin that is an array: it counts what is read of it, and takes as long as it is told.</summary>
internal sealed class MemoryOrigin(int bytes) : IDeviceOrigin
{
    private const int PageBytes = 4096;
    private readonly Lock _gate = new();
    private readonly int[] _reads = new int[(bytes + PageBytes - 1) / PageBytes];

    public byte[] Content { get; } = new byte[bytes];

    public long SizeBytes => Content.Length;

    public string Seal => "memory";

    public int MinBlockBytes { get; init; } = 1;

    public int Writes { get; private set; }

    public int Flushes { get; private set; }

    /// <summary>Waited for before a read, with its offset.</summary>
    public Func<long, Task> BeforeRead { get; set; } = _ => Task.CompletedTask;

    /// <summary>Waited for after the bytes of a read were taken, before it returns.</summary>
    public Func<long, Task> AfterRead { get; set; } = _ => Task.CompletedTask;

    /// <summary>Waited for before a write, with its offset.</summary>
    public Func<long, Task> BeforeWrite { get; set; } = _ => Task.CompletedTask;

    /// <summary>Waited for after a write.</summary>
    public Func<long, Task> AfterWrite { get; set; } = _ => Task.CompletedTask;

    /// <summary>How often each page was read.</summary>
    public int[] Reads
    {
        get
        {
            lock (_gate) return [.. _reads];
        }
    }

    public async ValueTask ReadAsync(long offset, Memory<byte> destination, RequestClock clock, CancellationToken cancellation)
    {
        lock (_gate)
            for (var page = offset / PageBytes; page * PageBytes < offset + destination.Length; page++) _reads[page]++;
        await BeforeRead(offset);
        lock (_gate) Content.AsSpan((int)offset, destination.Length).CopyTo(destination.Span);
        await AfterRead(offset);
    }

    public async ValueTask WriteAsync(long offset, ReadOnlyMemory<byte> data, RequestClock clock)
    {
        await BeforeWrite(offset);
        lock (_gate)
        {
            data.Span.CopyTo(Content.AsSpan((int)offset));
            Writes++;
        }

        await AfterWrite(offset);
    }

    public ValueTask ZeroAsync(long offset, int length, bool keepsPages, RequestClock clock) => WriteAsync(offset, new byte[length], clock);

    public ValueTask FlushAsync(RequestClock clock, CancellationToken cancellation)
    {
        lock (_gate) Flushes++;
        return ValueTask.CompletedTask;
    }

    public ValueTask<IReadOnlyList<Extent>> StatusAsync(long offset, uint length, RequestClock clock, CancellationToken cancellation) =>
        ValueTask.FromResult<IReadOnlyList<Extent>>([new Extent(length, ExtentState.Allocated)]);

    public void Dispose()
    {
    }
}
