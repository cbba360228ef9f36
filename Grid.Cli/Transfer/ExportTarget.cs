namespace Grid.Cli.Transfer;

/// <summary>Where an export goes. A file has its name only once all of it is on disk, so a whole one that was there before is lost to nothing that fails.</summary>
internal sealed class ExportTarget : IAsyncDisposable
{
    private const int BufferBytes = 1 << 20;

    private readonly string? _path;
    private bool _isCommitted;

    private ExportTarget(string? path, Stream stream)
    {
        _path = path;
        Stream = stream;
    }

    /// <summary>What to write to.</summary>
    public Stream Stream { get; }

    private string Unfinished => $"{_path}.partial";

    /// <summary>Opens the file, or the standard output for <c>-</c>.</summary>
    /// <param name="path">The file.</param>
    public static ExportTarget Open(string path)
    {
        if (path == "-") return new ExportTarget(null, new BufferedStream(Console.OpenStandardOutput(), BufferBytes));
        return new ExportTarget(path, new FileStream($"{path}.partial", FileMode.Create, FileAccess.Write, FileShare.None, BufferBytes, FileOptions.Asynchronous));
    }

    /// <summary>Makes it durable and gives it its name.</summary>
    /// <param name="cancellation">Ctrl-C.</param>
    public async Task CommitAsync(CancellationToken cancellation)
    {
        await Stream.FlushAsync(cancellation);
        if (Stream is FileStream file) file.Flush(flushToDisk: true);
        if (_path == null) return;
        File.Move(Unfinished, _path, overwrite: true);
        _isCommitted = true;
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await Stream.DisposeAsync();
        if (_path != null && !_isCommitted) File.Delete(Unfinished);
    }
}
