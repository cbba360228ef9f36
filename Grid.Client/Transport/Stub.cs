using Grid.Protocol;

namespace Grid.Client;

internal sealed class Operation
{
    public uint Index { get; set; }
    public ReadOnlyMemory<byte> Page { get; set; }
    public Memory<byte> Destination { get; set; }
    public ReadOnlyMemory<uint> Indexes { get; set; }
    public WriteBatch? Batch { get; set; }
    public RequestFlags Flags { get; set; }
    public bool IsRepeatable { get; set; }
    public void SetCondition(ObjectVersion? onlyIf) => _ = onlyIf;
}

internal sealed class Router(GridClientOptions options) : IAsyncDisposable
{
    public HelloAnswer Server => throw NotYet();
    public ValueTask ConnectAsync(CancellationToken cancellationToken) => throw NotYet();
    public ValueTask<ControlAnswer> ControlAsync(Opcode opcode, ReadOnlyMemory<byte> body, bool repeatable, CancellationToken cancellationToken) => throw NotYet();
    public ValueTask<int> EchoAsync(Memory<byte> destination, CancellationToken cancellationToken) => throw NotYet();
    public Operation Rent(Pool pool, ObjectId obj, Opcode opcode, CallOptions? call, CancellationToken cancellationToken) => throw NotYet();
    public ValueTask<T> Start<T>(Operation operation) => throw NotYet();
    public void Learn(Topology topology) => throw NotYet();
    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
    private GridUnavailableException NotYet() => new($"no transport for {options}");
}
