using System.Buffers;
using System.IO.Pipelines;
using Grid.Client;
using Grid.Node.Gateway;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Logging;

namespace Grid.Node.Frontends.Nbd;

/// <summary>
/// The requests of one connection: read in order, carried out many at a time, answered as they are done. What is under way is bounded by a number of requests and by bytes; past that the
/// connection is read no further.
/// </summary>
internal sealed class RequestStream : INearCaller
{
    private const int MostRequests = 256;
    private const long MostBytes = 64 << 20;

    /// <summary>After so many bytes or turns the connection goes on elsewhere: some milliseconds that other sockets wait at the most.</summary>
    private const long BytesPerStay = 1 << 20;
    private const int TurnsPerStay = 256;

    private readonly IExportDevice _device;
    private readonly TransmissionTerms _terms;
    private readonly PipeReader _input;
    private readonly ReplyOutput _output;
    private readonly NearPages? _near;
    private readonly NbdServer _server;
    private readonly ILogger _log;
    private readonly RequestReader _reader;
    private readonly CancellationTokenSource _gone;
    private readonly SemaphoreSlim _slots = new(MostRequests, MostRequests);
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly ByteBudget _budget = new(MostBytes);
    private readonly int _pageBytes;
    private byte[]? _data;
    private bool _hasSlot;

    /// <summary>The requests of a connection.</summary>
    public RequestStream(ExportRun run, TransmissionTerms terms, PipeReader input, PipeWriter output, NbdServer server, CancellationToken closed, ILogger log)
    {
        (_device, _terms, _input, _server, _log) = (run.Device, terms, input, server, log);
        _reader = new RequestReader(terms);
        _gone = CancellationTokenSource.CreateLinkedTokenSource(closed);
        // What has an origin has pages only of what was read; of any other device the pages are all there is.
        if (run.Device is ExportDevice) (_near, _pageBytes) = (server.Near(run.Pool, MostRequests, this), run.Pool.PageSizeBytes);
        _output = new ReplyOutput(output, terms.Structured, _near, OnWritten, _gone, log);
    }

    /// <summary>Whether the client went without a goodbye.</summary>
    public bool IsClientGone => _gone.IsCancellationRequested;

    /// <summary>Completes when no request is under way any more.</summary>
    public Task Ended => _ended.Task;

    /// <summary>Why it was closed by this side; empty where it was not.</summary>
    public string Trouble { get; private set; } = "";

    /// <summary>Serves until the client says goodbye, is gone, or the node stops; ends when no request is under way any more.</summary>
    public async Task RunAsync()
    {
        var isOrderly = false;
        try
        {
            isOrderly = await ReadRequestsAsync().ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            // The node stops: what was read is answered. Or the client is gone.
            isOrderly = !_gone.IsCancellationRequested;
        }
        catch (Exception e) when (e is IOException or ConnectionResetException or ConnectionAbortedException)
        {
            // The client is gone.
        }

        // Nobody waits for the answers of a client that is gone: what was not sent to the grid yet is not any more.
        if (!isOrderly) await _gone.CancelAsync().ConfigureAwait(false);
        // A write whose data did not come to its end.
        if (_data is not null) OnWritten(new NbdReply(_reader.Request) { Buffer = _data });
        else if (_hasSlot) _slots.Release();
        for (var i = 0; i < MostRequests; i++) await _slots.WaitAsync(CancellationToken.None).ConfigureAwait(false);
        await _output.EndAsync().ConfigureAwait(false);
        _near?.Dispose();
        _ended.SetResult();
        _slots.Dispose();
        _gone.Dispose();
    }

    /// <returns>Whether the client said goodbye.</returns>
    private async Task<bool> ReadRequestsAsync()
    {
        using var until = CancellationTokenSource.CreateLinkedTokenSource(_server.Stopping, _gone.Token);
        var (bytesLeft, turnsLeft) = (BytesPerStay, TurnsPerStay);
        while (true)
        {
            var read = await _input.ReadAsync(until.Token).ConfigureAwait(false);
            if (bytesLeft <= 0 || --turnsLeft <= 0)
            {
                (bytesLeft, turnsLeft) = (BytesPerStay, TurnsPerStay);
                await Task.Yield();
            }

            var input = read.Buffer;
            var before = input.Length;
            Halt halt;
            do
            {
                var duty = _output.TryTakeDuty();
                halt = Look(ref input);
                // Not waited for: a client may send all that it has before it reads. The replies under way are bounded.
                if (duty) _ = _output.DrainAsync().AsTask();
                if (halt == Halt.NoSlot)
                {
                    await _slots.WaitAsync(until.Token).ConfigureAwait(false);
                    _hasSlot = true;
                }
                else if (halt == Halt.NoBuffer)
                {
                    await TakeAsync(_reader.Request, until.Token).ConfigureAwait(false);
                    _data = ArrayPool<byte>.Shared.Rent((int)_reader.Request.LengthBytes);
                    _reader.Take(_data);
                }
            }
            while (halt is Halt.NoSlot or Halt.NoBuffer);

            bytesLeft -= before - input.Length;
            _input.AdvanceTo(input.Start, input.End);
            if (halt == Halt.Goodbye) return true;
            if (read.IsCompleted) return false;
        }
    }

    /// <summary>Begins every whole request of the input, then runs this node's own objects that were asked.</summary>
    private Halt Look(ref ReadOnlySequence<byte> input)
    {
        _near?.Begin();
        try
        {
            while (true)
            {
                // First of all: who waits for a place holds no buffer that others wait for.
                if (!_hasSlot && !(_hasSlot = _slots.Wait(0, CancellationToken.None))) return Halt.NoSlot;
                switch (_reader.TryRead(ref input))
                {
                    case RequestRead.NeedMore:
                        return Halt.NoInput;
                    case RequestRead.NeedBuffer:
                        return Halt.NoBuffer;
                    case RequestRead.Broken:
                        Trouble = _reader.Trouble;
                        return Halt.Goodbye;
                }

                if (_reader.Request.Command == NbdCommand.Disconnect) return Halt.Goodbye;
                var reply = new NbdReply(_reader.Request, _reader.Error, _reader.Trouble) { Buffer = _data };
                (_hasSlot, _data) = (false, null);
                Begin(reply);
            }
        }
        finally
        {
            _near?.RunAll();
        }
    }

    private void Begin(NbdReply reply)
    {
        if (reply.Error != NbdError.None) _output.Push(reply);
        else if (_near is null || !reply.Request.HasPayload || !TryNear(_near, reply)) _ = CarryOutAsync(reply);
    }

    private bool TryNear(NearPages near, NbdReply reply)
    {
        var (offset, bytes) = ((long)reply.Request.Offset, reply.Request.LengthBytes);
        var inObject = offset % NbdExport.ObjectBytes;
        if ((offset | bytes) % _pageBytes != 0 || inObject + bytes > NbdExport.ObjectBytes) return false;
        var isWrite = reply.Request.Command == NbdCommand.Write;
        var data = isWrite ? reply.Buffer.AsMemory(0, (int)bytes) : default;
        return near.TryBegin(reply, NbdExport.ObjectOf((ulong)(offset / NbdExport.ObjectBytes)), (uint)(inObject / _pageBytes), (int)(bytes / _pageBytes), isWrite, data);
    }

    /// <inheritdoc/>
    void INearCaller.OnNear(object asker, NearAnswer? pages)
    {
        var reply = (NbdReply)asker;
        reply.Near = pages;
        if (pages is not null) _output.Push(reply);
        else ThreadPool.UnsafeQueueUserWorkItem(static state => _ = state.Stream.CarryOutAsync(state.Reply), (Stream: this, Reply: reply), preferLocal: true);
    }

    private async Task CarryOutAsync(NbdReply reply)
    {
        var request = reply.Request;
        try
        {
            await AskAsync(reply, request).ConfigureAwait(false);
        }
        catch (NbdException e)
        {
            Failed(request, e);
            reply.Fail(e.Error, e.Message);
        }
        catch (OperationCanceledException)
        {
            reply.Fail(NbdError.Io, "the connection is gone");
        }
        catch (Exception e) when (e is GridException or ObjectDisposedException)
        {
            Failed(request, e);
            reply.Fail(NbdError.Io, e.Message);
        }
        catch (Exception e)
        {
            _log.LogError(e, "NBD {Command} failed", request.Command);
            reply.Fail(NbdError.Io, "the node failed: see its log");
        }

        _output.Push(reply);
    }

    private void Failed(in NbdRequest request, Exception why) =>
        _log.LogWarning("NBD {Command} of {Bytes} bytes at {Offset} of export {Export} failed: {Why}", request.Command, request.LengthBytes, request.Offset, _terms.Export.Name, why.Message);

    private async ValueTask AskAsync(NbdReply reply, NbdRequest request)
    {
        var (offset, length, cancellation) = ((long)request.Offset, (int)Math.Min(request.LengthBytes, int.MaxValue), _gone.Token);
        switch (request.Command)
        {
            case NbdCommand.Read:
                await TakeAsync(request, cancellation).ConfigureAwait(false);
                reply.Buffer = ArrayPool<byte>.Shared.Rent(length);
                if (await _device.ReadAsync(offset, reply.Buffer.AsMemory(0, length), cancellation).ConfigureAwait(false)) reply.Data = reply.Buffer;
                break;
            case NbdCommand.Write:
                await _device.WriteAsync(offset, reply.Buffer.AsMemory(0, length), cancellation).ConfigureAwait(false);
                break;
            case NbdCommand.Trim:
                await _device.ZeroAsync(offset, request.LengthBytes, keepsPages: false, cancellation).ConfigureAwait(false);
                break;
            case NbdCommand.WriteZeroes:
                var keepsPages = (request.Flags & CommandFlags.NoHole) != 0;
                if (keepsPages && (request.Flags & CommandFlags.FastZero) != 0) throw new NbdException(NbdError.NotSupported, "zeros that keep their pages are not faster than a write");
                await _device.ZeroAsync(offset, request.LengthBytes, keepsPages, cancellation).ConfigureAwait(false);
                break;
            case NbdCommand.BlockStatus:
                var extents = await _device.StatusAsync(offset, request.LengthBytes, cancellation).ConfigureAwait(false);
                reply.Extents = (request.Flags & CommandFlags.ReqOne) != 0 ? [extents[0]] : extents;
                break;
            default:
                await _device.FlushAsync(cancellation).ConfigureAwait(false);
                break;
        }

        if (request.Command != NbdCommand.Flush && (request.Flags & CommandFlags.Fua) != 0) await _device.FlushAsync(cancellation).ConfigureAwait(false);
    }

    /// <summary>A reply is out, or dropped: what it held is free again.</summary>
    private void OnWritten(NbdReply reply)
    {
        if (reply.Buffer is { } buffer)
        {
            ArrayPool<byte>.Shared.Return(buffer);
            Give(reply.Request.LengthBytes);
            reply.Buffer = null;
        }

        _slots.Release();
    }

    private async ValueTask TakeAsync(NbdRequest request, CancellationToken cancellation)
    {
        await _budget.TakeAsync(request.LengthBytes, cancellation).ConfigureAwait(false);
        try
        {
            await _server.Budget.TakeAsync(request.LengthBytes, cancellation).ConfigureAwait(false);
        }
        catch
        {
            _budget.Give(request.LengthBytes);
            throw;
        }
    }

    private void Give(uint bytes)
    {
        _server.Budget.Give(bytes);
        _budget.Give(bytes);
    }

    /// <summary>Why no further request is begun.</summary>
    private enum Halt
    {
        /// <summary>More has to come.</summary>
        NoInput,

        /// <summary>As many as may be are under way.</summary>
        NoSlot,

        /// <summary>A write's data needs room.</summary>
        NoBuffer,

        /// <summary>Nothing more is read.</summary>
        Goodbye,
    }
}
