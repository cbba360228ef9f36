using System.Buffers;
using System.IO.Pipelines;
using System.Threading.Channels;
using Grid.Client;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Logging;

namespace Grid.Node.Frontends.Nbd;

/// <summary>
/// The requests of one connection: read in order, carried out many at a time, answered as they are done. What is under way is bounded by a number of requests and by bytes; past that the
/// connection is read no further.
/// </summary>
internal sealed class RequestStream
{
    private const int MostRequests = 256;
    private const long MostBytes = 64 << 20;
    private const int FlushBytes = 256 << 10;

    private readonly IExportDevice _device;
    private readonly TransmissionTerms _terms;
    private readonly PipeReader _input;
    private readonly PipeWriter _output;
    private readonly NbdServer _server;
    private readonly ILogger _log;
    private readonly RequestReader _reader;
    private readonly CancellationTokenSource _gone;
    private readonly SemaphoreSlim _slots = new(MostRequests, MostRequests);
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly ByteBudget _budget = new(MostBytes);
    private readonly Channel<NbdReply> _replies = Channel.CreateUnbounded<NbdReply>(new UnboundedChannelOptions { SingleReader = true });

    /// <summary>The requests of a connection.</summary>
    public RequestStream(IExportDevice device, TransmissionTerms terms, PipeReader input, PipeWriter output, NbdServer server, CancellationToken closed, ILogger log)
    {
        (_device, _terms, _input, _output, _server, _log) = (device, terms, input, output, server, log);
        _reader = new RequestReader(terms);
        _gone = CancellationTokenSource.CreateLinkedTokenSource(closed);
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
        var writing = WriteRepliesAsync();
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
        for (var i = 0; i < MostRequests; i++) await _slots.WaitAsync(CancellationToken.None).ConfigureAwait(false);
        _replies.Writer.Complete();
        await writing.ConfigureAwait(false);
        _ended.SetResult();
        _slots.Dispose();
        _gone.Dispose();
    }

    /// <returns>Whether the client said goodbye.</returns>
    private async Task<bool> ReadRequestsAsync()
    {
        using var until = CancellationTokenSource.CreateLinkedTokenSource(_server.Stopping, _gone.Token);
        byte[]? data = null;
        try
        {
            while (true)
            {
                var read = await _input.ReadAsync(until.Token).ConfigureAwait(false);
                var input = read.Buffer;
                RequestRead found;
                while ((found = _reader.TryRead(ref input)) is RequestRead.Request or RequestRead.NeedBuffer)
                {
                    var request = _reader.Request;
                    if (found == RequestRead.NeedBuffer)
                    {
                        await TakeAsync(request, until.Token).ConfigureAwait(false);
                        data = ArrayPool<byte>.Shared.Rent((int)request.LengthBytes);
                        _reader.Take(data);
                        continue;
                    }

                    if (request.Command == NbdCommand.Disconnect) return true;
                    await BeginAsync(request, data, until.Token).ConfigureAwait(false);
                    data = null;
                }

                _input.AdvanceTo(input.Start, input.End);
                if (found == RequestRead.Broken)
                {
                    Trouble = _reader.Trouble;
                    return true;
                }

                if (read.IsCompleted) return false;
            }
        }
        finally
        {
            // A write whose data did not come to its end.
            if (data is not null) GiveBack(data, _reader.Request.LengthBytes);
        }
    }

    private async ValueTask BeginAsync(NbdRequest request, byte[]? data, CancellationToken cancellation)
    {
        await _slots.WaitAsync(cancellation).ConfigureAwait(false);
        if (_reader.Error != NbdError.None)
        {
            _replies.Writer.TryWrite(new NbdReply(request, _reader.Error, _reader.Trouble));
            return;
        }

        if (request.Command == NbdCommand.Read)
        {
            try
            {
                await TakeAsync(request, cancellation).ConfigureAwait(false);
            }
            catch
            {
                _slots.Release();
                throw;
            }

            data = ArrayPool<byte>.Shared.Rent((int)request.LengthBytes);
        }

        _ = CarryOutAsync(request, data);
    }

    private async Task CarryOutAsync(NbdRequest request, byte[]? data)
    {
        NbdReply reply;
        try
        {
            reply = await AskAsync(request, data).ConfigureAwait(false);
        }
        catch (NbdException e)
        {
            _log.LogWarning("NBD {Command} of {Bytes} bytes at {Offset} of export {Export} failed: {Why}", request.Command, request.LengthBytes, request.Offset, _terms.Export.Name, e.Message);
            reply = new NbdReply(request, e.Error, e.Message);
        }
        catch (OperationCanceledException)
        {
            reply = new NbdReply(request, NbdError.Io, "the connection is gone");
        }
        catch (Exception e) when (e is GridException or ObjectDisposedException)
        {
            _log.LogWarning("NBD {Command} of {Bytes} bytes at {Offset} of export {Export} failed: {Why}", request.Command, request.LengthBytes, request.Offset, _terms.Export.Name, e.Message);
            reply = new NbdReply(request, NbdError.Io, e.Message);
        }
        catch (Exception e)
        {
            _log.LogError(e, "NBD {Command} failed", request.Command);
            reply = new NbdReply(request, NbdError.Io, "the node failed: see its log");
        }

        _replies.Writer.TryWrite(reply with { Buffer = data });
    }

    private async Task<NbdReply> AskAsync(NbdRequest request, byte[]? data)
    {
        var (offset, length, cancellation) = ((long)request.Offset, (int)Math.Min(request.LengthBytes, int.MaxValue), _gone.Token);
        switch (request.Command)
        {
            case NbdCommand.Read:
                var isThere = await _device.ReadAsync(offset, data.AsMemory(0, length), cancellation).ConfigureAwait(false);
                return new NbdReply(request) { Data = isThere ? data : null };
            case NbdCommand.Write:
                await _device.WriteAsync(offset, data.AsMemory(0, length), cancellation).ConfigureAwait(false);
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
                return new NbdReply(request) { Extents = (request.Flags & CommandFlags.ReqOne) != 0 ? [extents[0]] : extents };
            default:
                await _device.FlushAsync(cancellation).ConfigureAwait(false);
                break;
        }

        if (request.Command != NbdCommand.Flush && (request.Flags & CommandFlags.Fua) != 0) await _device.FlushAsync(cancellation).ConfigureAwait(false);
        return new NbdReply(request);
    }

    /// <summary>Sends replies as they come. Where the client is gone they are dropped, and what they hold goes back all the same.</summary>
    private async Task WriteRepliesAsync()
    {
        var written = new List<NbdReply>();
        var isDead = false;
        while (await _replies.Reader.WaitToReadAsync(CancellationToken.None).ConfigureAwait(false))
        {
            var bytes = 0L;
            while (bytes < FlushBytes && _replies.Reader.TryRead(out var reply))
            {
                if (!isDead) ReplyWriter.Write(_output, _terms.Structured, reply);
                written.Add(reply);
                bytes += reply.Data is null ? NbdRequest.HeadBytes : reply.Request.LengthBytes;
            }

            if (!isDead && !await FlushAsync().ConfigureAwait(false))
            {
                isDead = true;
                await _gone.CancelAsync().ConfigureAwait(false);
            }

            foreach (var reply in written)
            {
                if (reply.Buffer is { } buffer) GiveBack(buffer, reply.Request.LengthBytes);
                _slots.Release();
            }

            written.Clear();
        }
    }

    /// <returns>Whether the client is there.</returns>
    private async ValueTask<bool> FlushAsync()
    {
        try
        {
            return !(await _output.FlushAsync(_gone.Token).ConfigureAwait(false)).IsCompleted;
        }
        catch (Exception e) when (e is IOException or ConnectionResetException or ConnectionAbortedException or OperationCanceledException or InvalidOperationException)
        {
            return false;
        }
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

    private void GiveBack(byte[] buffer, uint bytes)
    {
        ArrayPool<byte>.Shared.Return(buffer);
        _server.Budget.Give(bytes);
        _budget.Give(bytes);
    }
}
