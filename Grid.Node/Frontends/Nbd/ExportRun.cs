using Grid.Client;

namespace Grid.Node.Frontends.Nbd;

/// <summary>An export that this node serves: its device, and the connections that have not come to their end yet.</summary>
/// <param name="export">The definition by which it was opened.</param>
/// <param name="pool">Its pool.</param>
/// <param name="device">Its device.</param>
internal sealed class ExportRun(NbdExport export, Pool pool, IExportDevice device)
{
    private readonly Lock _gate = new();
    private readonly HashSet<RequestStream> _streams = [];

    /// <summary>The definition's number.</summary>
    public ulong ExportId => export.Id;

    /// <summary>The definition, with what the device's origin has told of itself.</summary>
    public NbdExport Export => export;

    /// <summary>The pool that is open.</summary>
    public Pool Pool => pool;

    /// <summary>The device.</summary>
    public IExportDevice Device => device;

    /// <summary>Whether this is the run of a definition and of a pool as they are now.</summary>
    public bool Serves(NbdExport now, Pool current) => pool.Id == current.Id && (now.Origin is null || now.SizeBytes == 0 || now.SizeBytes == export.SizeBytes);

    /// <summary>Closes the device once nobody uses it any more.</summary>
    public async Task RetireAsync()
    {
        Task[] streams;
        lock (_gate) streams = [.. _streams.Select(requests => requests.Ended)];
        await Task.WhenAll(streams).ConfigureAwait(false);
        device.Dispose();
    }

    /// <summary>
    /// Looks after a connection's requests. What a connection that is lost had sent on may yet take effect; who connects anew sends its requests again, and later ones after them, which
    /// must not be undone by what the old connection left: so it waits.
    /// </summary>
    /// <param name="requests">Where the requests run.</param>
    public void Watch(RequestStream requests)
    {
        lock (_gate) _streams.Add(requests);
    }

    /// <summary>A connection's last request has ended.</summary>
    public void Unwatch(RequestStream requests)
    {
        lock (_gate) _streams.Remove(requests);
    }

    /// <summary>Waits until nothing is under way any more for connections whose clients are gone.</summary>
    public Task SettledAsync(CancellationToken cancellation)
    {
        lock (_gate) return Task.WhenAll(_streams.Where(requests => requests.IsClientGone).Select(requests => requests.Ended)).WaitAsync(cancellation);
    }
}
