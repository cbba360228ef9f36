namespace Grid.Tests.Client.Support;

/// <summary>Pages of reproducible bytes.</summary>
internal static class Pages
{
    public static byte[] Random(int seed, int bytes = 4096)
    {
        var page = new byte[bytes];
        new Random(seed).NextBytes(page);
        return page;
    }

    public static byte[] Filled(byte value, int bytes = 4096)
    {
        var page = new byte[bytes];
        Array.Fill(page, value);
        return page;
    }
}
