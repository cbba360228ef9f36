using System.Globalization;

namespace Grid.Client;

/// <summary>Reads <c>grid://…</c> texts into options. Values never stand in its messages where they could be secrets.</summary>
internal static class ConnectionString
{
    private const string Scheme = "grid://";
    private const string Keys = "tenant, credential, member, timeout, connect-timeout, window, single-address";

    public static GridClientOptions Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        if (!text.StartsWith(Scheme, StringComparison.OrdinalIgnoreCase))
            throw Bad("it must begin with 'grid://', as in grid://localhost:7070");
        var rest = text[Scheme.Length..];
        var question = rest.IndexOf('?', StringComparison.Ordinal);
        var hosts = (question < 0 ? rest : rest[..question]).TrimEnd('/');
        if (hosts.Length == 0) throw Bad("no address stands after 'grid://'");

        var addresses = new List<string>();
        foreach (var host in hosts.Split(','))
        {
            if (!NodeAddress.TryParse(host, out var address)) throw Bad($"'{host}' is not an address (host:port or [ipv6]:port, the port 1 to 65535)");
            addresses.Add(address.ToString());
        }

        var options = new GridClientOptions { Addresses = addresses };
        if (question < 0) return options;
        var seen = new HashSet<string>(StringComparer.Ordinal);
        foreach (var pair in rest[(question + 1)..].Split('&', StringSplitOptions.RemoveEmptyEntries))
        {
            var equals = pair.IndexOf('=', StringComparison.Ordinal);
            var key = equals < 0 ? pair : pair[..equals];
            if (equals < 0) throw Bad($"'{key}' has no value ('{key}=…' is expected)");
            if (!seen.Add(key)) throw Bad($"'{key}' is given twice");
            options = Apply(options, key, Uri.UnescapeDataString(pair[(equals + 1)..]));
        }

        return options;
    }

    private static GridClientOptions Apply(GridClientOptions options, string key, string value) => key switch
    {
        "tenant" => options with { Tenant = NotEmpty(key, value) },
        "credential" => options with { Credential = value },
        "member" => options with { Member = NotEmpty(key, value) },
        "timeout" => options with { Timeout = value == "infinite" ? Timeout.InfiniteTimeSpan : Duration(key, value) },
        "connect-timeout" => options with { ConnectTimeout = Duration(key, value) },
        "window" => options with { WindowRequests = Number(key, value, 1, 65535) },
        "single-address" => options with { SingleAddress = Switch(key, value) },
        _ => throw Bad($"'{key}' is unknown; the keys are {Keys}"),
    };

    private static string NotEmpty(string key, string value) => value.Length > 0 ? value : throw Bad($"'{key}' must not be empty");

    private static bool Switch(string key, string value) => value switch
    {
        "true" => true,
        "false" => false,
        _ => throw Bad($"'{key}={value}': true or false is expected"),
    };

    private static int Number(string key, string value, int min, int max) =>
        int.TryParse(value, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number >= min && number <= max
            ? number
            : throw Bad($"'{key}={value}': a number from {min} to {max} is expected");

    private static TimeSpan Duration(string key, string value)
    {
        var unitAt = value.AsSpan().IndexOfAnyExceptInRange('0', '9');
        var unitMs = unitAt <= 0 ? 0 : value[unitAt..] switch { "ms" => 1, "s" => 1_000, "m" => 60_000, _ => 0 };
        if (unitMs == 0 || !int.TryParse(value.AsSpan(0, unitAt), NumberStyles.None, CultureInfo.InvariantCulture, out var number)
            || number == 0 || number * (long)unitMs > Deadlines.LongestTimeoutMs)
            throw Bad($"'{key}={value}': a time above zero is expected, e.g. 500ms, 5s or 2m, at most a day");
        return TimeSpan.FromMilliseconds(number * (long)unitMs);
    }

    private static ArgumentException Bad(string what) => new($"The connection string makes no sense: {what}.");
}
