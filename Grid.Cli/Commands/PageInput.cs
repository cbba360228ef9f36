namespace Grid.Cli.Commands;

/// <summary>A page that comes from a file, a pipe or the command line.</summary>
internal static class PageInput
{
    /// <summary>Reads a file, but not much more of it than fits.</summary>
    /// <param name="path">The file; - is the standard input.</param>
    /// <param name="pageSizeBytes">The pool's page size.</param>
    /// <param name="cancellation">Ctrl-C.</param>
    /// <returns>The bytes; one more than a page where there are more.</returns>
    public static async Task<byte[]> ReadAsync(string path, int pageSizeBytes, CancellationToken cancellation)
    {
        await using var input = path == "-" ? Console.OpenStandardInput() : new FileStream(path, FileMode.Open, FileAccess.Read);
        var buffer = new byte[pageSizeBytes + 1];
        var read = await input.ReadAtLeastAsync(buffer, buffer.Length, throwOnEndOfStream: false, cancellation);
        return buffer[..read];
    }

    /// <summary>Makes a page of what was given.</summary>
    /// <param name="given">The bytes.</param>
    /// <param name="pageSizeBytes">The pool's page size.</param>
    /// <param name="pad">Whether a short one is filled with zeros.</param>
    /// <exception cref="CliException">It is no page.</exception>
    public static byte[] Fit(byte[] given, int pageSizeBytes, bool pad)
    {
        if (given.Length == pageSizeBytes) return given;
        if (given.Length > pageSizeBytes) throw CliException.Usage($"the page is longer than {pageSizeBytes} bytes, the pool's page size");
        if (!pad) throw CliException.Usage($"the page has {given.Length} bytes, the pool's page size is {pageSizeBytes} (--pad fills it with zeros)");
        var page = new byte[pageSizeBytes];
        given.CopyTo(page, 0);
        return page;
    }
}
