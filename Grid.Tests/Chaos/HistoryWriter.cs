using System.Diagnostics;
using System.Threading.Channels;

namespace Grid.Tests.Chaos;

/// <summary>
/// Writes a history to a file, line by line, beside the callers. What waits to be written is bounded: a caller that is faster than the file waits before its call, so that nothing that was
/// called is missing in it. Lines of one process are in its order; lines of different ones only nearly, so readers order by time.
/// </summary>
internal sealed class HistoryWriter : IAsyncDisposable
{
    private const int WaitingMax = 4096;
    private readonly Channel<HistoryEntry> _entries = Channel.CreateBounded<HistoryEntry>(new BoundedChannelOptions(WaitingMax) { SingleReader = true });
    private readonly long _began = Stopwatch.GetTimestamp();
    private readonly Task _writing;

    public HistoryWriter(string path)
    {
        Path = path;
        _writing = WriteAllAsync(new StreamWriter(path) { NewLine = "\n" });
    }

    public string Path { get; }

    /// <summary>Nanoseconds since the history began.</summary>
    public long NowNs => Stopwatch.GetElapsedTime(_began).Ticks * TimeSpan.NanosecondsPerTick;

    /// <summary>Has an entry written; waits where too many are waiting.</summary>
    public ValueTask AddAsync(HistoryEntry entry) => _entries.Writer.WriteAsync(entry);

    /// <summary>Tells of a pool.</summary>
    public ValueTask AddPoolAsync(RecordedPool pool) => AddAsync(new HistoryEntry
    {
        Process = -1,
        Type = EntryType.Info,
        Op = CallKind.Pool,
        Pool = pool.Name,
        Persistent = pool.IsPersistent,
        MayRefuse = pool.MayRefuse,
        TimeNs = NowNs,
    });

    /// <summary>Tells of a fault or of its end.</summary>
    public ValueTask AddFaultAsync(string text) =>
        AddAsync(new HistoryEntry { Process = -1, Type = EntryType.Info, Op = CallKind.Fault, TimeNs = NowNs, Text = text });

    /// <summary>Returns once everything is in the file.</summary>
    public async ValueTask DisposeAsync()
    {
        _entries.Writer.TryComplete();
        await _writing;
    }

    private async Task WriteAllAsync(StreamWriter file)
    {
        await using (file)
        {
            try
            {
                while (await _entries.Reader.WaitToReadAsync())
                {
                    while (_entries.Reader.TryRead(out var entry)) await file.WriteLineAsync(entry.ToJson());
                    await file.FlushAsync();
                }
            }
            catch (IOException failure)
            {
                // Whoever adds a line learns of it.
                _entries.Writer.TryComplete(failure);
                throw;
            }
        }
    }
}
