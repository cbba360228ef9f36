namespace Grid.Node.Hosting;

/// <summary>What must never be printed.</summary>
internal static class Secrets
{
    /// <summary>Printed instead of a secret.</summary>
    public const string Redacted = "<redacted>";

    private static readonly string[] Words = ["connection-string", "password", "secret", "credential", "token", "private-key", "api-key"];

    /// <summary>Whether the setting of this name is a secret.</summary>
    public static bool IsSecret(string path)
    {
        // Where a secret lies is none.
        return !path.EndsWith("-file", StringComparison.OrdinalIgnoreCase) && Words.Any(word => path.Contains(word, StringComparison.OrdinalIgnoreCase));
    }
}
