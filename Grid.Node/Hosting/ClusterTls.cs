using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Akka.Actor;
using Akka.Configuration;

namespace Grid.Node.Hosting;

/// <summary>
/// TLS between nodes is Akka's; whom it trusts is what .NET takes from the environment, and without that every authority that the system knows. Looked at before anything starts, so that a
/// node which no other would let in says so in one line.
/// </summary>
internal static class ClusterTls
{
    private const string Transport = "akka.remote.dot-netty.tcp";
    private const string Certificate = Transport + ".ssl.certificate";
    private const string AuthoritiesFile = "SSL_CERT_FILE";
    private const string AuthoritiesFolder = "SSL_CERT_DIR";

    /// <summary>What a node says that ended over it.</summary>
    public const string HandshakeFailed =
        "A connection of this node to another one failed in its TLS handshake, over which Akka ends a node. Either the other one does not believe this node's certificate, or this node not the other one's; or the other one went away at that moment";

    /// <summary>Whether Akka ended the node because a handshake failed that the node had begun.</summary>
    public static bool Ended(CoordinatedShutdown.Reason? reason) => reason?.GetType().Name == "TlsHandshakeFailureReason";

    /// <summary>Refuses what would let strangers in, and a certificate that the other nodes would refuse.</summary>
    /// <param name="akka">Akka's configuration.</param>
    /// <param name="environment">Reads a variable of the process's environment.</param>
    /// <exception cref="StartupException">It names the setting.</exception>
    public static void Check(Config akka, Func<string, string?> environment)
    {
        if (!akka.GetBoolean(Transport + ".enable-ssl", false)) return;
        // Elsewhere .NET asks the system's own store, whatever the environment says.
        if (OperatingSystem.IsLinux()) CheckAuthorities(environment);
        if (!akka.GetBoolean(Certificate + ".use-thumbprint-over-file", false)) CheckCertificate(akka.GetString(Certificate + ".path", ""), akka.GetString(Certificate + ".password", ""));
    }

    private static void CheckAuthorities(Func<string, string?> environment)
    {
        var (file, folder) = (environment(AuthoritiesFile) ?? "", environment(AuthoritiesFolder) ?? "");
        if (file.Length == 0 || folder.Length == 0)
        {
            throw StartupException.Setting(
                $"{Transport}.enable-ssl: every authority that this system trusts could make itself a node. Set {AuthoritiesFile} to the file of the authority whose certificates nodes have, "
                + $"and {AuthoritiesFolder} to a folder that does not exist");
        }

        if (Directory.Exists(folder) && Directory.EnumerateFileSystemEntries(folder).Any())
            throw StartupException.Setting($"{Transport}.enable-ssl: every authority in {folder} ({AuthoritiesFolder}) could make itself a node. Name a folder that does not exist, and the one authority in {AuthoritiesFile}");
        if (!File.Exists(file)) throw StartupException.Setting($"{Transport}.enable-ssl: there is no file {file} ({AuthoritiesFile})");
    }

    private static void CheckCertificate(string path, string password)
    {
        if (path.Length == 0) throw StartupException.Setting($"{Certificate}.path must be set where {Transport}.enable-ssl is on");
        X509Certificate2 certificate;
        try
        {
            certificate = X509CertificateLoader.LoadPkcs12FromFile(path, password);
        }
        catch (Exception e) when (e is CryptographicException or IOException or UnauthorizedAccessException)
        {
            throw StartupException.Setting($"{Certificate}.path: {path} cannot be read as PKCS #12 with {Certificate}.password: {e.Message}", e);
        }

        using (certificate)
        {
            if (!certificate.HasPrivateKey) throw StartupException.Setting($"{Certificate}.path: {path} has no private key");
            using var chain = new X509Chain();
            chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
            if (chain.Build(certificate)) return;
            var why = string.Join(", ", chain.ChainStatus.Select(status => status.StatusInformation.Trim()).Distinct());
            throw StartupException.Setting($"{Certificate}.path: no node would believe the certificate in {path} ({certificate.Subject}, until {certificate.NotAfter.ToUniversalTime():u}): {why}");
        }
    }
}
