using System.Buffers;
using System.IO.Pipelines;
using System.Net.Security;
using System.Security.Authentication;
using Grid.Client;
using Microsoft.AspNetCore.Connections;
using Microsoft.Extensions.Logging;

namespace Grid.Node.Frontends.Nbd;

/// <summary>One client: the handshake, then its requests until either side ends.</summary>
/// <param name="server">What it is served by.</param>
/// <param name="context">Its socket.</param>
/// <param name="log">The log.</param>
internal sealed class NbdConnection(NbdServer server, ConnectionContext context, ILogger log)
{
    /// <summary>How long a client may take from connecting to its first request.</summary>
    private static readonly TimeSpan HandshakeTimeout = TimeSpan.FromSeconds(30);

    private readonly Negotiation _negotiation = new(server.Tls is not null);
    private PipeReader _input = context.Transport.Input;
    private PipeWriter _output = context.Transport.Output;
    private SslStream? _tls;
    private ExportRun? _run;

    /// <summary>Serves it until it ends.</summary>
    public async Task RunAsync()
    {
        try
        {
            if (await NegotiateAsync().ConfigureAwait(false) is { } terms) await TransmitAsync(terms).ConfigureAwait(false);
        }
        catch (Exception e) when (e is IOException or ConnectionAbortedException or ConnectionResetException or AuthenticationException)
        {
            log.LogInformation("NBD connection of {Client} ended: {What}", context.RemoteEndPoint, e.Message);
        }
        catch (OperationCanceledException)
        {
            log.LogInformation("NBD connection of {Client} ended before its first request", context.RemoteEndPoint);
        }
        catch (Exception e)
        {
            log.LogError(e, "NBD connection of {Client} failed", context.RemoteEndPoint);
        }
        finally
        {
            if (_tls is not null) await EndTlsAsync(_tls).ConfigureAwait(false);
        }
    }

    /// <summary>Ends it at once.</summary>
    public void Cut() => context.Abort(new ConnectionAbortedException("The node is stopping."));

    /// <summary>Ends it where its export is not among those that there are.</summary>
    /// <param name="exports">The numbers of those there are.</param>
    public void KeepIfServed(IReadOnlySet<ulong> exports)
    {
        if (Volatile.Read(ref _run) is not { } run || exports.Contains(run.ExportId)) return;
        log.LogInformation("NBD connection of {Client} is closed: its export was removed", context.RemoteEndPoint);
        context.Abort(new ConnectionAbortedException("The export was removed."));
    }

    private async Task<TransmissionTerms?> NegotiateAsync()
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(server.Stopping, context.ConnectionClosed);
        patience.CancelAfter(HandshakeTimeout);
        OptionReplies.Greeting(_output);
        await _output.FlushAsync(patience.Token).ConfigureAwait(false);
        while (true)
        {
            var read = await _input.ReadAsync(patience.Token).ConfigureAwait(false);
            var input = read.Buffer;
            var step = NegotiationStep.Haggle;
            var found = NegotiationRead.NeedMore;
            while (step == NegotiationStep.Haggle && (found = _negotiation.TryRead(ref input, out var option)) == NegotiationRead.Option)
                step = await AnswerAsync(option, patience).ConfigureAwait(false);
            _input.AdvanceTo(input.Start, step == NegotiationStep.Haggle ? input.End : input.Start);
            if (found == NegotiationRead.Broken || step == NegotiationStep.Close)
            {
                log.LogInformation("NBD connection of {Client} is closed in its handshake: {Why}", context.RemoteEndPoint, _negotiation.Trouble);
                return null;
            }

            if (step == NegotiationStep.Transmission) return _negotiation.Terms;
            if (step == NegotiationStep.StartTls) await StartTlsAsync(patience.Token).ConfigureAwait(false);
            else if (read.IsCompleted) return null;
        }
    }

    private async Task<NegotiationStep> AnswerAsync(OptionRequest option, CancellationTokenSource patience)
    {
        var cancellation = patience.Token;
        var answer = new ArrayBufferWriter<byte>();
        NegotiationStep step;
        try
        {
            var exports = option.NeedsExports ? await server.ListAsync(cancellation).ConfigureAwait(false) : [];
            // Nothing is opened for who must speak TLS first.
            var asked = server.Tls is null || _tls is not null ? option.Enters : null;
            var facts = new List<ExportFacts>();
            foreach (var export in exports) facts.Add(await server.FactsAsync(export, export.Name == asked, cancellation).ConfigureAwait(false));
            step = _negotiation.Answer(option, facts, answer);
            if (step == NegotiationStep.Transmission)
            {
                var name = _negotiation.Terms!.Export.Name;
                // Requests of connections that were lost may take as long as a request does.
                patience.CancelAfter(HandshakeTimeout + server.Settings.RequestTimeout);
                Volatile.Write(ref _run, await server.OpenAsync(exports.First(export => export.Name == name), cancellation).ConfigureAwait(false));
            }
        }
        catch (GridException failure)
        {
            log.LogWarning("NBD connection of {Client}: the export cannot be opened: {Why}", context.RemoteEndPoint, failure.Message);
            if (option.Option == NbdOption.ExportName) throw new IOException($"the export cannot be opened: {failure.Message}", failure);
            answer.ResetWrittenCount();
            OptionReplies.Error(answer, option.Option, NbdOptionReply.Unknown, failure.Message);
            step = NegotiationStep.Haggle;
        }

        _output.Write(answer.WrittenSpan);
        await _output.FlushAsync(cancellation).ConfigureAwait(false);
        return step;
    }

    private async Task StartTlsAsync(CancellationToken cancellation)
    {
        // What the client has sent behind the option is read by TLS: nothing that came in the clear is taken for an option.
        _tls = await server.Tls!.AuthenticateAsync(new DuplexStream(context.Transport), cancellation).ConfigureAwait(false);
        _input = PipeReader.Create(_tls, new StreamPipeReaderOptions(bufferSize: 64 << 10, leaveOpen: true));
        _output = PipeWriter.Create(_tls, new StreamPipeWriterOptions(leaveOpen: true));
    }

    private async Task TransmitAsync(TransmissionTerms terms)
    {
        var run = _run!;
        var requests = new RequestStream(run, terms, _input, _output, server, context.ConnectionClosed, log);
        run.Watch(requests);
        await requests.RunAsync().ConfigureAwait(false);
        run.Unwatch(requests);
        if (requests.Trouble.Length > 0) log.LogInformation("NBD connection of {Client} is closed: {Why}", context.RemoteEndPoint, requests.Trouble);
    }

    private static async Task EndTlsAsync(SslStream tls)
    {
        try
        {
            await tls.ShutdownAsync().ConfigureAwait(false);
        }
        catch (Exception e) when (e is IOException or InvalidOperationException or ConnectionAbortedException)
        {
            // The other side is gone already: there is nobody to say goodbye to.
        }

        await tls.DisposeAsync().ConfigureAwait(false);
    }
}
