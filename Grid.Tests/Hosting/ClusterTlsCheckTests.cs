using System.Security.Cryptography.X509Certificates;
using Akka.Configuration;
using Grid.Node.Hosting;
using Grid.Tests.Harness;
using Xunit;

namespace Grid.Tests.Hosting;

public sealed class ClusterTlsCheckTests : IDisposable
{
    private readonly TestFolder _folder = new();
    private readonly TestAuthority _authority = new("ours");

    public void Dispose()
    {
        _authority.Dispose();
        _folder.Dispose();
    }

    [Fact]
    public void Without_tls_there_is_nothing_to_check() => ClusterTls.Check(Config("enable-ssl = false"), _ => null);

    [Theory]
    [InlineData(null, null)]
    [InlineData("/etc/hosts", null)]
    [InlineData(null, "/none")]
    [InlineData("/etc/hosts", "/etc")]
    public void Authorities_that_are_not_the_operators_own_are_refused(string? file, string? folder)
    {
        var message = Refused(Config("enable-ssl = true"), file, folder);
        Assert.Contains("SSL_CERT_FILE", message, StringComparison.Ordinal);
        Assert.Contains("SSL_CERT_DIR", message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_certificate_that_nobody_would_believe_or_that_cannot_be_read_is_refused()
    {
        var keystore = _folder.Combine("keystore.p12");
        var tls = Config($"enable-ssl = true, ssl.certificate {{ path = \"{keystore}\", password = \"grid\" }}");
        Assert.Contains("there is no file /nowhere", Refused(tls, "/nowhere", "/none"), StringComparison.Ordinal);
        Assert.Contains("certificate.path must be set", Refused(Config("enable-ssl = true"), "/etc/hosts", "/none"), StringComparison.Ordinal);
        Assert.Contains(keystore, Refused(tls, "/etc/hosts", "/none"), StringComparison.Ordinal);

        using var certificate = _authority.Issue(names => names.AddDnsName("db-1"));
        File.WriteAllBytes(keystore, certificate.Export(X509ContentType.Pkcs12, "other"));
        Assert.Contains("cannot be read", Refused(tls, "/etc/hosts", "/none"), StringComparison.Ordinal);

        // This process trusts what the system does.
        File.WriteAllBytes(keystore, certificate.Export(X509ContentType.Pkcs12, "grid"));
        var message = Refused(tls, "/etc/hosts", "/none");
        Assert.Contains("no node would believe the certificate", message, StringComparison.Ordinal);
        Assert.Contains("CN=grid", message, StringComparison.Ordinal);
    }

    private static Config Config(string text) => ConfigurationFactory.ParseString($"akka.remote.dot-netty.tcp {{ {text} }}");

    private static string Refused(Config config, string? file, string? folder)
    {
        var refused = Assert.Throws<StartupException>(() => ClusterTls.Check(config, name => name == "SSL_CERT_FILE" ? file : folder));
        Assert.Equal(ExitCodes.BadSettings, refused.ExitCode);
        return refused.Message;
    }
}
