namespace Grid.Client;

/// <summary>How long to wait before the next try: growing from a first delay to a longest, each spread by ±25 % so that many clients do not come back at once.</summary>
internal static class Backoff
{
    private const int LongestRetryMs = 500;
    private const int LongestConnectMs = 2_000;

    /// <summary>Before a request is sent again that a node did not serve.</summary>
    /// <param name="attempts">Tries so far, at least 1.</param>
    /// <remarks>By half each time: whoever waits for a shard that changes hands notices soon that it has, a third of the time so far later at most.</remarks>
    public static int RetryMs(int attempts) => Spread(15, 1.5, attempts, LongestRetryMs);

    /// <summary>Before the addresses are tried again.</summary>
    /// <param name="attempts">Tries so far; after none there is no delay.</param>
    public static int ConnectMs(int attempts) => attempts == 0 ? 0 : Spread(25, 2, attempts, LongestConnectMs);

    private static int Spread(int firstMs, double growth, int attempts, int longestMs)
    {
        var delayMs = Math.Min(longestMs, firstMs * Math.Pow(growth, Math.Min(attempts - 1, 32)));
        return (int)(delayMs * (0.75 + (Random.Shared.NextDouble() / 2)));
    }
}
