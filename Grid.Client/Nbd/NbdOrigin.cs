using System.Text;

namespace Grid.Client;

/// <summary>
/// Where the bytes of a block device are, of which the grid only caches pages: a file that every node which serves the device opens, or an export of another NBD server. An origin of a device that is
/// written must not be written in any other way: that would not be noticed.
/// </summary>
/// <param name="Location">An absolute path, or <c>nbd://HOST[:PORT]/EXPORT</c>.</param>
/// <param name="IsBacking">Whether it is a file that is made where there is none, as long as the device, and what was never written of it reads as zeros.</param>
public sealed record NbdOrigin(string Location, bool IsBacking = false)
{
    /// <summary>The port of NBD.</summary>
    public const int DefaultPort = 10809;

    /// <summary>The most bytes a location may have.</summary>
    internal const int MaxLocationBytes = 2048;

    private const string Scheme = "nbd://";

    /// <summary>Whether it is another server's export, and not a file.</summary>
    public bool IsNbd => Location.StartsWith(Scheme, StringComparison.OrdinalIgnoreCase);

    /// <summary>The location, and whether it is a backing.</summary>
    public override string ToString() => IsBacking ? $"backing {Location}" : Location;

    /// <summary>What is wrong with it, or null when nothing is.</summary>
    internal string? Validate()
    {
        if (Location.Length == 0) return "origin is empty";
        if (Encoding.UTF8.GetByteCount(Location) > MaxLocationBytes) return $"origin has more than {MaxLocationBytes} bytes";
        if (Location.Any(char.IsControl)) return "origin has control characters";
        if (IsNbd)
        {
            if (IsBacking) return "backing must be a file: what another server holds is an origin";
            return TryServer(out _, out _, out _) ? null : $"origin '{Location}' is not nbd://HOST[:PORT]/EXPORT";
        }

        if (Location.Contains("://", StringComparison.Ordinal)) return $"origin '{Location}' is neither a path nor nbd://HOST[:PORT]/EXPORT (TLS and Unix sockets are not spoken to origins)";
        return Path.IsPathRooted(Location) ? null : $"path '{Location}' is not absolute: it is the nodes that open it";
    }

    /// <summary>Reads the parts of another server's export.</summary>
    internal bool TryServer(out string host, out int port, out string export)
    {
        (host, port, export) = ("", DefaultPort, "");
        if (!IsNbd || !Uri.TryCreate(Location, UriKind.Absolute, out var uri) || uri.Host.Length == 0 || uri.Query.Length > 0 || uri.Fragment.Length > 0 || uri.UserInfo.Length > 0) return false;
        (host, port) = (uri.DnsSafeHost, uri.IsDefaultPort || uri.Port <= 0 ? DefaultPort : uri.Port);
        export = Uri.UnescapeDataString(uri.AbsolutePath.Length > 0 ? uri.AbsolutePath[1..] : "");
        return true;
    }
}
