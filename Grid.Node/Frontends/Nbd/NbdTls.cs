using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Grid.Node.Hosting;

namespace Grid.Node.Frontends.Nbd;

/// <summary>The certificate with which the server shows who it is, and the authority by which it believes its clients.</summary>
internal sealed class NbdTls
{
    private readonly SslServerAuthenticationOptions _options;

    private NbdTls(SslServerAuthenticationOptions options) => _options = options;

    /// <summary>Reads the files.</summary>
    /// <param name="settings">Which; null where no certificate is named.</param>
    /// <exception cref="StartupException">A file cannot be read; it names the setting.</exception>
    public static NbdTls? Load(NbdTlsSettings settings)
    {
        if (settings.CertificateFile.Length == 0) return null;
        var certificates = Read("grid.nbd.tls.certificate-file", () =>
        {
            var chain = new X509Certificate2Collection();
            chain.ImportFromPemFile(settings.CertificateFile);
            return chain;
        });
        var key = settings.KeyFile.Length > 0 ? settings.KeyFile : settings.CertificateFile;
        var own = Read("grid.nbd.tls.key-file", () => X509Certificate2.CreateFromPemFile(settings.CertificateFile, key));
        var options = new SslServerAuthenticationOptions
        {
            ServerCertificateContext = SslStreamCertificateContext.Create(own, certificates, offline: true),
            EnabledSslProtocols = SslProtocols.Tls12 | SslProtocols.Tls13,
            CertificateRevocationCheckMode = X509RevocationMode.NoCheck,
        };
        if (settings.ClientAuthorityFile.Length > 0)
        {
            var authorities = Read("grid.nbd.tls.client-authority-file", () =>
            {
                var found = new X509Certificate2Collection();
                found.ImportFromPemFile(settings.ClientAuthorityFile);
                return found.Count > 0 ? found : throw new CryptographicException("there is no certificate in it");
            });
            options.ClientCertificateRequired = true;
            options.RemoteCertificateValidationCallback = (_, certificate, chain, _) => IsOf(authorities, certificate as X509Certificate2, chain);
        }

        return new NbdTls(options);
    }

    /// <summary>Speaks TLS from here on.</summary>
    /// <param name="stream">The connection.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <exception cref="AuthenticationException">The client does not believe this server, or this server not the client.</exception>
    public async Task<SslStream> AuthenticateAsync(Stream stream, CancellationToken cancellation)
    {
        var tls = new SslStream(stream, leaveInnerStreamOpen: false);
        try
        {
            await tls.AuthenticateAsServerAsync(_options, cancellation).ConfigureAwait(false);
            return tls;
        }
        catch
        {
            await tls.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    private static bool IsOf(X509Certificate2Collection authorities, X509Certificate2? certificate, X509Chain? sent)
    {
        if (certificate is null) return false;
        using var chain = new X509Chain();
        chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        chain.ChainPolicy.CustomTrustStore.AddRange(authorities);
        chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
        // What the client sent along may lead to the authority.
        if (sent is not null) chain.ChainPolicy.ExtraStore.AddRange(sent.ChainPolicy.ExtraStore);
        return chain.Build(certificate);
    }

    private static T Read<T>(string setting, Func<T> read)
    {
        try
        {
            return read();
        }
        catch (Exception e) when (e is CryptographicException or IOException or UnauthorizedAccessException or ArgumentException)
        {
            throw StartupException.Setting($"{setting}: cannot be read as PEM: {e.Message}", e);
        }
    }
}
