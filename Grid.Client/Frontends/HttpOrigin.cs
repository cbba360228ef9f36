using System.Net;
using System.Net.Http.Headers;

namespace Grid.Client.Frontends;

/// <summary>
/// A resource of an HTTP server that serves ranges, as an origin (RFC 9110, section 14). Its validator is its version: a strong <c>ETag</c>, else <c>Last-Modified</c>; every request demands it
/// (<c>If-Range</c>), and every answer is checked for it and for the length, so that bytes of two contents are never mixed.
/// </summary>
public sealed class HttpOrigin : IOrigin
{
    // RFC 9110, 8.8.2.2: a time is a strong validator only if the content can not have changed again within the same second.
    private static readonly TimeSpan Coarse = TimeSpan.FromSeconds(2);
    private readonly HttpClient _http;
    private readonly Uri _uri;

    /// <summary>Makes an origin.</summary>
    /// <param name="http">How to ask: base headers, credentials, timeouts and retries are its own. It stays the caller's.</param>
    /// <param name="uri">The resource, absolute, http or https.</param>
    /// <param name="name">Its name for all that share its pages; the URI by default. Name it where the URI differs between processes, such as a signed one.</param>
    /// <exception cref="ArgumentException">The URI is not absolute, or not of HTTP.</exception>
    public HttpOrigin(HttpClient http, Uri uri, string? name = null)
    {
        ArgumentNullException.ThrowIfNull(http);
        ArgumentNullException.ThrowIfNull(uri);
        if (!uri.IsAbsoluteUri || (uri.Scheme != Uri.UriSchemeHttp && uri.Scheme != Uri.UriSchemeHttps))
            throw new ArgumentException($"'{uri}' is not an absolute URI of http or https.", nameof(uri));
        _http = http;
        _uri = uri;
        Name = $"http {name ?? uri.GetComponents(UriComponents.HttpRequestUrl, UriFormat.UriEscaped)}";
    }

    /// <summary>Its name.</summary>
    public string Name { get; }

    /// <summary>False.</summary>
    public bool IsWritable => false;

    /// <summary>Asks for its length and validator, by the range of its first byte: servers that serve ranges answer that better than HEAD.</summary>
    /// <param name="cancellationToken">Gives the call up.</param>
    /// <exception cref="IOException">The server does not serve ranges of it, gives no validator, or answers with an error.</exception>
    /// <exception cref="HttpRequestException">The server cannot be reached.</exception>
    public async ValueTask<OriginState> StatAsync(CancellationToken cancellationToken)
    {
        using var answer = await AskAsync(0, 1, null, cancellationToken).ConfigureAwait(false);
        var length = answer.Content.Headers.ContentRange?.Length;
        if (answer.StatusCode == HttpStatusCode.RequestedRangeNotSatisfiable && length == 0) return new OriginState(0, "empty", true);
        if (answer.StatusCode == HttpStatusCode.OK)
            throw new IOException($"{_uri} does not serve ranges: it answered a range with the whole.");
        if (answer.StatusCode != HttpStatusCode.PartialContent) throw Failed(answer);
        if (length is not { } bytes) throw new IOException($"{_uri} does not say how long it is (Content-Range: {answer.Content.Headers.ContentRange}).");
        var validator = ValidatorOf(answer) ?? throw new IOException($"{_uri} has neither a strong ETag nor Last-Modified: what of it belongs together cannot be told.");
        var sent = answer.Headers.Date;
        var certain = validator.EntityTag is not null || (sent is { } date && date - validator.Date!.Value >= Coarse);
        return new OriginState(bytes, $"{bytes} bytes of {validator}", certain);
    }

    /// <summary>Asks for a range, on the condition that the content is the same.</summary>
    /// <param name="state">The state that the caller knows.</param>
    /// <param name="offset">The first byte.</param>
    /// <param name="destination">Where to.</param>
    /// <param name="cancellationToken">Gives the call up.</param>
    /// <returns>How many bytes were read.</returns>
    /// <exception cref="OriginChangedException">The content, its length or its validator has changed, or it is gone.</exception>
    /// <exception cref="IOException">The server answered with an error, or with less than it said.</exception>
    /// <exception cref="HttpRequestException">The server cannot be reached.</exception>
    public async ValueTask<int> ReadAsync(OriginState state, long offset, Memory<byte> destination, CancellationToken cancellationToken)
    {
        ArgumentNullException.ThrowIfNull(state);
        var bytes = (int)Math.Min(destination.Length, state.LengthBytes - offset);
        if (bytes <= 0) return 0;
        using var answer = await AskAsync(offset, bytes, state, cancellationToken).ConfigureAwait(false);
        if (answer.StatusCode is HttpStatusCode.OK or HttpStatusCode.RequestedRangeNotSatisfiable or HttpStatusCode.PreconditionFailed or HttpStatusCode.NotFound or HttpStatusCode.Gone)
            throw Changed($"the answer to a range of it was {(int)answer.StatusCode}");
        if (answer.StatusCode != HttpStatusCode.PartialContent) throw Failed(answer);
        var range = answer.Content.Headers.ContentRange;
        if (range?.Length is { } length && length != state.LengthBytes) throw Changed($"it has {length} bytes now");
        if (ValidatorOf(answer) is { } now && $"{state.LengthBytes} bytes of {now}" != state.Version) throw Changed($"its validator is {now} now");
        if (range?.From != offset || range.To != offset + bytes - 1)
            throw new IOException($"{_uri} was asked for bytes {offset} to {offset + bytes - 1} and answered with {range}.");
        var body = await answer.Content.ReadAsStreamAsync(cancellationToken).ConfigureAwait(false);
        await using (body.ConfigureAwait(false)) await body.ReadExactlyAsync(destination[..bytes], cancellationToken).ConfigureAwait(false);
        return bytes;
    }

    /// <summary>Not possible.</summary>
    /// <param name="offset">The first byte.</param>
    /// <param name="data">The bytes.</param>
    /// <param name="cancellationToken">Gives the call up.</param>
    /// <exception cref="NotSupportedException">Always.</exception>
    public ValueTask WriteAsync(long offset, ReadOnlyMemory<byte> data, CancellationToken cancellationToken) =>
        throw new NotSupportedException("An HTTP origin is read only.");

    /// <summary>Nothing to do: the client is the caller's.</summary>
    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    private static RangeConditionHeaderValue? ValidatorOf(HttpResponseMessage answer) => answer switch
    {
        { Headers.ETag: { IsWeak: false } tag } => new RangeConditionHeaderValue(tag),
        { Content.Headers.LastModified: { } changed } => new RangeConditionHeaderValue(changed),
        _ => null,
    };

    private async ValueTask<HttpResponseMessage> AskAsync(long offset, int bytes, OriginState? state, CancellationToken cancellationToken)
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, _uri);
        request.Headers.Range = new RangeHeaderValue(offset, offset + bytes - 1);
        // Ranges are of the bytes as they are sent: a content coding would make others of them.
        request.Headers.AcceptEncoding.Clear();
        request.Headers.AcceptEncoding.Add(new StringWithQualityHeaderValue("identity"));
        if (state is not null) request.Headers.IfRange = RangeConditionHeaderValue.Parse(state.Version[(state.Version.IndexOf(" of ", StringComparison.Ordinal) + 4)..]);
        var answer = await _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken).ConfigureAwait(false);
        if (answer.Content.Headers.ContentEncoding.All(coding => coding == "identity")) return answer;
        var coded = string.Join(", ", answer.Content.Headers.ContentEncoding);
        answer.Dispose();
        throw new IOException($"{_uri} sends a coded form ({coded}) although only identity is accepted.");
    }

    private OriginChangedException Changed(string how) => new($"{_uri} has changed since it was opened: {how}. Refresh, and read again.");

    private IOException Failed(HttpResponseMessage answer) => new($"{_uri} answered with {(int)answer.StatusCode} {answer.ReasonPhrase}.");
}
