using System.Security.Cryptography.X509Certificates;
using System.Text;
using Grid.Tests.Harness;
using k8s.Models;

namespace Grid.Tests.Kubernetes;

/// <summary>The Secrets that docs/kubernetes.md has an operator make.</summary>
internal static class NodeSecrets
{
    /// <summary>The database's connection string; and, as cert-manager makes it, what TLS between nodes needs.</summary>
    /// <param name="connectionString">PostgreSQL's.</param>
    public static IReadOnlyList<V1Secret> Of(string connectionString)
    {
        using var authority = new TestAuthority("the grid's authority");
        using var certificate = authority.Issue(names => names.AddDnsName("*.grid-nodes.grid.svc"));
        using var key = certificate.GetECDsaPrivateKey()!;
        return
        [
            Secret("grid-journal", ("connection-string", Encoding.UTF8.GetBytes(connectionString + "\n"))),
            Secret(
                "grid-cluster-tls",
                ("keystore.p12", certificate.Export(X509ContentType.Pkcs12, "grid")),
                ("tls.crt", Encoding.ASCII.GetBytes(certificate.ExportCertificatePem())),
                ("tls.key", Encoding.ASCII.GetBytes(key.ExportPkcs8PrivateKeyPem())),
                ("ca.crt", Encoding.ASCII.GetBytes(authority.Pem))),
        ];
    }

    private static V1Secret Secret(string name, params (string File, byte[] Bytes)[] files) =>
        new() { Metadata = new V1ObjectMeta { Name = name }, Data = files.ToDictionary(file => file.File, file => file.Bytes) };
}
