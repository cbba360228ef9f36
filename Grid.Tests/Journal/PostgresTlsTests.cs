using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Grid.Node.Journal;
using Grid.Tests.Harness;
using Npgsql;
using Xunit;

namespace Grid.Tests.Journal;

/// <summary>TLS to the database: the right authority is trusted, a wrong one is refused and said.</summary>
public sealed class PostgresTlsTests : IAsyncLifetime
{
    private readonly TestFolder _folder = new();
    private readonly PostgresServer _server = new();
    private string _database = "";

    private string GoodAuthority => _folder.Combine("authority.pem");

    private string WrongAuthority => _folder.Combine("wrong.pem");

    public async Task InitializeAsync()
    {
        await _server.InitializeAsync();
        using var authority = Authority("CN=the right one");
        using var wrong = Authority("CN=a wrong one");
        await File.WriteAllTextAsync(GoodAuthority, authority.ExportCertificatePem());
        await File.WriteAllTextAsync(WrongAuthority, wrong.ExportCertificatePem());
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        using var certificate = ForServer(key, authority);
        await _server.UseTlsAsync(certificate.ExportCertificatePem(), key.ExportPkcs8PrivateKeyPem());
        _database = await _server.NewDatabaseAsync();
        // Plain connections are not taken: a journal that is made is made over TLS.
        await File.WriteAllTextAsync(Path.Combine(_server.DataFolder, "pg_hba.conf"), "local all all scram-sha-256\nhostssl all all 127.0.0.1/32 scram-sha-256\n");
        await _server.ExecuteAsync("SELECT pg_reload_conf()");
    }

    public async Task DisposeAsync()
    {
        await _server.DisposeAsync();
        _folder.Dispose();
    }

    [Fact]
    public async Task The_right_authority_is_trusted()
    {
        await JournalSchema.EnsureAsync(Options("localhost", GoodAuthority));
        using var reader = new JournalReader(Options("localhost", GoodAuthority));
        await reader.ProbeAsync();
    }

    [Fact]
    public async Task A_wrong_authority_is_refused_and_said()
    {
        var failure = await Assert.ThrowsAsync<JournalUnavailableException>(() => JournalSchema.EnsureAsync(Options("localhost", WrongAuthority)));
        Assert.Contains("certificate", failure.Message, StringComparison.Ordinal);
        Assert.Contains("Root Certificate", failure.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("s3cr3t", failure.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_certificate_for_another_name_is_refused_and_said()
    {
        var failure = await Assert.ThrowsAsync<JournalUnavailableException>(() => JournalSchema.EnsureAsync(Options("127.0.0.1", GoodAuthority)));
        Assert.Contains("SSL Mode=VerifyFull", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_server_without_TLS_is_refused_where_TLS_is_asked_for()
    {
        await _server.SetAsync("ssl", "off");
        var failure = await Assert.ThrowsAsync<JournalUnavailableException>(() => JournalSchema.EnsureAsync(Options("localhost", GoodAuthority)));
        Assert.Contains("SSL", failure.Message, StringComparison.Ordinal);
    }

    private JournalOptions Options(string host, string authority) => new()
    {
        Provider = JournalProvider.PostgreSql,
        ConnectionString = new NpgsqlConnectionStringBuilder(_database) { Host = host, SslMode = SslMode.VerifyFull, RootCertificate = authority }.ConnectionString,
        WriteTimeout = TimeSpan.FromSeconds(5),
    };

    private static X509Certificate2 Authority(string name)
    {
        using var key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest(name, key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(certificateAuthority: true, hasPathLengthConstraint: false, 0, critical: true));
        request.CertificateExtensions.Add(new X509SubjectKeyIdentifierExtension(request.PublicKey, critical: false));
        return request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(2));
    }

    private static X509Certificate2 ForServer(ECDsa key, X509Certificate2 authority)
    {
        var request = new CertificateRequest("CN=localhost", key, HashAlgorithmName.SHA256);
        var names = new SubjectAlternativeNameBuilder();
        names.AddDnsName("localhost");
        request.CertificateExtensions.Add(names.Build());
        return request.Create(authority, DateTimeOffset.UtcNow.AddHours(-1), DateTimeOffset.UtcNow.AddDays(1), RandomNumberGenerator.GetBytes(8));
    }
}
