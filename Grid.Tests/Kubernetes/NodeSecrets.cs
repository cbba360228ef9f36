namespace Grid.Tests.Kubernetes;

/// <summary>The Secrets that an operator makes, as docs/kubernetes.md says, with nothing secret in them.</summary>
internal static class NodeSecrets
{
    /// <summary>The database's, and what TLS between nodes needs.</summary>
    /// <param name="connectionString">PostgreSQL's.</param>
    public static Dictionary<string, Dictionary<string, string>> Of(string connectionString) => new()
    {
        ["grid-journal"] = new() { ["connection-string"] = connectionString + "\n", ["ca.crt"] = "" },
        ["grid-cluster-tls"] = new() { ["keystore.p12"] = "", ["ca.crt"] = "", ["tls.crt"] = "", ["tls.key"] = "" },
    };
}
