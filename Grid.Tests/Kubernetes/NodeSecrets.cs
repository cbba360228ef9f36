using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using k8s.Models;

namespace Grid.Tests.Kubernetes;

/// <summary>The Secrets that docs/kubernetes.md has an operator make.</summary>
internal static class NodeSecrets
{
    private static readonly DateTimeOffset Now = DateTimeOffset.UtcNow;

    /// <summary>The database's connection string; and, as cert-manager makes it, what TLS between nodes needs.</summary>
    /// <param name="connectionString">PostgreSQL's.</param>
    public static IReadOnlyList<V1Secret> Of(string connectionString)
    {
        using var authorityKey = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using var authority = Authority(authorityKey);
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using var certificate = ForNodes(key, authority);
        using var whole = certificate.CopyWithPrivateKey(key);
        return
        [
            Secret("grid-journal", ("connection-string", Encoding.UTF8.GetBytes(connectionString + "\n"))),
            Secret(
                "grid-cluster-tls",
                ("keystore.p12", whole.Export(X509ContentType.Pkcs12, "grid")),
                ("tls.crt", Encoding.ASCII.GetBytes(certificate.ExportCertificatePem())),
                ("tls.key", Encoding.ASCII.GetBytes(key.ExportPkcs8PrivateKeyPem())),
                ("ca.crt", Encoding.ASCII.GetBytes(authority.ExportCertificatePem()))),
        ];
    }

    private static V1Secret Secret(string name, params (string File, byte[] Bytes)[] files) =>
        new() { Metadata = new V1ObjectMeta { Name = name }, Data = files.ToDictionary(file => file.File, file => file.Bytes) };

    private static X509Certificate2 Authority(ECDsa key)
    {
        var request = new CertificateRequest("CN=the grid's authority", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(certificateAuthority: true, hasPathLengthConstraint: false, 0, critical: true));
        request.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(request.PublicKey, critical: false));
        return request.CreateSelfSigned(Now.AddDays(-1), Now.AddDays(2));
    }

    private static X509Certificate2 ForNodes(ECDsa key, X509Certificate2 authority)
    {
        var request = new CertificateRequest("CN=grid", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName("*.grid-nodes.grid.svc");
        request.CertificateExtensions.Add(names.Build());
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new Oid("1.3.6.1.5.5.7.3.1"), new Oid("1.3.6.1.5.5.7.3.2")], critical: false));
        return request.Create(authority, Now.AddHours(-1), Now.AddDays(1), RandomNumberGenerator.GetBytes(8));
    }
}
