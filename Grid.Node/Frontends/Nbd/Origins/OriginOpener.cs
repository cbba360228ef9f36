using Grid.Client;
using Grid.Node.Hosting;
using Microsoft.Extensions.Logging;

namespace Grid.Node.Frontends.Nbd.Origins;

/// <summary>Opens the origins of exports, and sees to it that all nodes have the same one.</summary>
/// <param name="settings">What may be opened, and how long it may take.</param>
/// <param name="exports">The exports.</param>
/// <param name="log">The log.</param>
internal sealed class OriginOpener(NbdSettings settings, NbdExports exports, ILogger log)
{
    private readonly OriginPolicy _policy = new(settings.Origins);

    /// <summary>Opens an export's device.</summary>
    /// <param name="export">The export.</param>
    /// <param name="pool">Its pool.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <returns>The device, and the export as it is known now that its origin is.</returns>
    /// <exception cref="GridException">This node cannot serve it; the message says why.</exception>
    public async Task<(NbdExport Export, OriginDevice Device)> OpenAsync(NbdExport export, Pool pool, CancellationToken cancellation)
    {
        var location = export.Origin!.Location;
        if (!_policy.Allows(export.Origin)) throw Unfit(export, $"the node's setting grid.nbd.origins does not have {location}", null);
        IDeviceOrigin? origin = null;
        try
        {
            origin = await OpenAsync(export, cancellation).ConfigureAwait(false);
            if (origin.SizeBytes < export.SizeBytes) throw new IOException($"{location} has {origin.SizeBytes} bytes, the export {export.SizeBytes}");
            var known = export with { SizeBytes = export.SizeBytes == 0 ? origin.SizeBytes : export.SizeBytes };
            if (known.ValidateSize() is { } wrong) throw new IOException($"the {wrong}");
            if (export.Seal.Length == 0) known = await exports.SealAsync(export.Id, origin.Seal, origin.SizeBytes, cancellation).ConfigureAwait(false);
            if (known.Seal != origin.Seal)
            {
                if (export.Seal.Length == 0 && origin is FileDeviceOrigin && !export.ReadOnly) FileSeals.Withdraw(location);
                throw new IOException($"{location} is not here what it is where the export was first served: there it is '{known.Seal}', here '{origin.Seal}'");
            }

            if (origin.SizeBytes < known.SizeBytes) throw new IOException($"{location} has {origin.SizeBytes} bytes, the export {known.SizeBytes}");
            log.LogInformation("Export {Export} has the origin {Origin}: {Seal}", export.Name, location, known.Seal);
            return (known, new OriginDevice(pool, known, origin, settings.RequestTimeout, new OriginLimits()));
        }
        catch (Exception e)
        {
            origin?.Dispose();
            if (e is IOException or UnauthorizedAccessException) throw Unfit(export, e.Message, e);
            throw;
        }
    }

    private async Task<IDeviceOrigin> OpenAsync(NbdExport export, CancellationToken cancellation)
    {
        if (export.Origin!.IsNbd)
        {
            try
            {
                return await NbdDeviceOrigin.OpenAsync(export.Origin, !export.ReadOnly, settings.KeepAlive, log, cancellation).ConfigureAwait(false);
            }
            catch (IOException e)
            {
                throw new IOException($"origin {export.Origin.Location}: {e.Message}", e);
            }
        }

        var others = (await exports.ListAsync(cancellation).ConfigureAwait(false)).Select(other => other.Id).Where(id => id != export.Id).ToHashSet();
        return await FileDeviceOrigin.OpenAsync(export, others.Contains, cancellation).ConfigureAwait(false);
    }

    private static GridException Unfit(NbdExport export, string why, Exception? inner) => new($"this node cannot serve export '{export.Name}': {why}", CallOutcome.NotApplied, inner);
}
