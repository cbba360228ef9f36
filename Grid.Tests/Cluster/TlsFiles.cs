using System.Net;
using System.Security.Cryptography.X509Certificates;
using Grid.Tests.Harness;

namespace Grid.Tests.Cluster;

/// <summary>What docs/operations.md has an operator give to every node for TLS between them: a certificate of its own, and whom to trust.</summary>
/// <param name="folder">Where the files of all nodes are.</param>
internal sealed class TlsFiles(TestFolder folder)
{
    private const string Password = "grid";

    /// <summary>A node's settings, for the files that <see cref="Write"/> wrote or will write.</summary>
    public NodeSetup Use(NodeSetup setup) => setup
        .With("akka.remote.dot-netty.tcp.enable-ssl", "true")
        .With("akka.remote.dot-netty.tcp.ssl.certificate.path", Keystore(setup.Host))
        .With("akka.remote.dot-netty.tcp.ssl.certificate.password", Password)
        .With("akka.remote.dot-netty.tcp.ssl.validate-certificate-hostname", "true") with
    {
        Environment = new Dictionary<string, string>(setup.Environment) { ["SSL_CERT_FILE"] = Authorities(setup.Host), ["SSL_CERT_DIR"] = folder.Combine("none") },
    };

    /// <summary>Gives a node a new certificate, and those whom it is to trust.</summary>
    public void Write(string host, TestAuthority authority, params ReadOnlySpan<TestAuthority> trusted)
    {
        using var certificate = authority.Issue(names => names.AddIpAddress(IPAddress.Parse(host)));
        File.WriteAllBytes(Keystore(host), certificate.Export(X509ContentType.Pkcs12, Password));
        var pems = new List<string>();
        foreach (var one in trusted) pems.Add(one.Pem);
        File.WriteAllText(Authorities(host), string.Join('\n', pems));
    }

    /// <summary>A node's certificate with its key.</summary>
    public X509Certificate2 Certificate(string host) => X509CertificateLoader.LoadPkcs12FromFile(Keystore(host), Password);

    private string Keystore(string host) => folder.Combine($"{host}.p12");

    private string Authorities(string host) => folder.Combine($"{host}-ca.crt");
}
