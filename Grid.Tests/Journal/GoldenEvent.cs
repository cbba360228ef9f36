using System.Globalization;
using System.IO.Hashing;
using Grid.Node.Journal;
using Grid.Node.Memory;
using Grid.Protocol;
using Grid.Tests.Hosting;
using Grid.Tests.Protocol;

namespace Grid.Tests.Journal;

/// <summary>
/// A row of a journal as some version wrote it, from a file in <c>Grid.Tests/Journal/golden</c>. The files never change: a new form of events gets files of its own beside them, and nothing else has to be
/// done for them to be read and upgraded from. Lines: <c># remark</c>; <c>persistence-id: …</c>, <c>sequence-nr: …</c>, <c>serializer: …</c>, <c>manifest: …</c>; of an object's event also <c>incarnation: …</c>,
/// <c>page-size: …</c>, <c>pages-after: …</c> and, for each entry in order, <c>entry: …</c> as <see cref="Describe"/> tells it; then the bytes, as in docs/protocol-vectors.txt.
/// </summary>
internal sealed record GoldenEvent(string Name, string PersistenceId, long SequenceNr, int Serializer, string Manifest, IReadOnlyList<string> Facts, byte[] Bytes)
{
    private static string Folder => Path.Combine(Repository.Root, "Grid.Tests", "Journal", "golden");

    /// <summary>The names of all files.</summary>
    public static IEnumerable<string> Names => Directory.EnumerateFiles(Folder, "*.event").Select(path => Path.GetFileNameWithoutExtension(path)!).Order(StringComparer.Ordinal);

    /// <summary>The rows of all files.</summary>
    public static IReadOnlyList<GoldenEvent> All => [.. Names.Select(Read)];

    /// <summary>The tables as the first version made them, for SQLite.</summary>
    public static string FirstSchema => File.ReadAllText(Path.Combine(Folder, "schema-1.sql"));

    /// <summary>Whose event it is; false for the pool registry's.</summary>
    public bool IsObject(out ObjectKey key) => JournalIds.TryParseObject(PersistenceId, out key);

    public static GoldenEvent Read(string name)
    {
        var (fields, facts, bytes) = (new Dictionary<string, string>(), new List<string>(), new List<byte>());
        foreach (var line in File.ReadLines(Path.Combine(Folder, $"{name}.event")).Where(line => line.Length > 0 && line[0] != '#'))
        {
            if (line[0] == ' ')
            {
                bytes.AddRange(VectorFile.Hex(line));
                continue;
            }

            var colon = line.IndexOf(':', StringComparison.Ordinal);
            if (line[..colon] is "incarnation" or "page-size" or "pages-after" or "entry") facts.Add(line);
            else fields.Add(line[..colon], line[(colon + 1)..].Trim());
        }

        return new GoldenEvent(
            name,
            fields["persistence-id"],
            long.Parse(fields["sequence-nr"], CultureInfo.InvariantCulture),
            int.Parse(fields["serializer"], CultureInfo.InvariantCulture),
            fields["manifest"],
            facts,
            [.. bytes]);
    }

    /// <summary>What the reader of today makes of the bytes, in the words of the files.</summary>
    public static IReadOnlyList<string> Describe(EventReader reader)
    {
        var facts = new List<string>
        {
            $"incarnation: {reader.Header.Incarnation}",
            $"page-size: {reader.Header.PageSizeBytes}",
            $"pages-after: {reader.Header.PagesAfter}",
        };
        foreach (var entry in reader.Entries)
        {
            facts.Add(entry.Kind switch
            {
                EventEntryKind.Put => $"entry: put {entry.Index} {entry.Codec} {PageHash(reader, entry)}",
                EventEntryKind.Flush => $"entry: flush {entry.Index}",
                _ => $"entry: {entry.Kind}",
            });
        }

        return facts;
    }

    /// <summary>What identifies a page's content.</summary>
    public static string HashOf(ReadOnlySpan<byte> page) => Convert.ToHexStringLower(XxHash128.Hash(page));

    private static string PageHash(EventReader reader, in EventEntry entry)
    {
        var stored = reader.Page(entry);
        var page = new byte[reader.Header.PageSizeBytes];
        PageCodecs.Decode(stored.Codec, stored.Stored.Span, page);
        return HashOf(page);
    }
}
