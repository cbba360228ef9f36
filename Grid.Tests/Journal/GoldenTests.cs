using System.Globalization;
using Grid.Client;
using Grid.Node.Journal;
using Grid.Node.Pools;
using Grid.Protocol;
using Grid.Tests.Harness;
using Microsoft.Data.Sqlite;
using Xunit;
using Xunit.Abstractions;

namespace Grid.Tests.Journal;

/// <summary>What earlier versions wrote is read for good: every golden event alone, and a node that starts on a database that holds them all.</summary>
public sealed class GoldenTests(ITestOutputHelper output)
{
    public static TheoryData<string> Names => [.. GoldenEvent.Names];

    [Theory, MemberData(nameof(Names))]
    public void A_golden_event_is_read_as_what_it_was_written_for(string name)
    {
        var golden = GoldenEvent.Read(name);
        if (golden.IsObject(out var key)) Assert.Equal(golden.Facts, GoldenEvent.Describe(EventReader.Open(key, golden.SequenceNr, golden.Bytes)));
        else Assert.IsAssignableFrom<PoolEvent>(PoolEventSerializer.Parse(golden.Bytes, golden.Manifest));
    }

    [Theory]
    [InlineData(JournalEventSerializer.ManifestW1, EventEntryKind.Fence)]
    [InlineData(JournalEventSerializer.ManifestW2, EventEntryKind.Held)]
    public void Every_kind_of_entry_and_every_codec_has_a_golden_event_of_every_format_that_can_have_it(string manifest, EventEntryKind newestKind)
    {
        var facts = GoldenEvent.All.Where(golden => golden.Manifest == manifest).SelectMany(golden => golden.Facts).ToArray();
        Assert.All(Enum.GetValues<EventEntryKind>().Where(kind => kind != EventEntryKind.None && kind <= newestKind), kind => Assert.Contains(facts, fact => fact.Split(' ')[1].Equals($"{kind}", StringComparison.OrdinalIgnoreCase)));
        Assert.All(Enum.GetValues<Grid.Node.Memory.PageCodec>(), codec => Assert.Contains(facts, fact => fact.Contains($" {codec} ", StringComparison.Ordinal)));
    }

    [Fact]
    public void The_newest_format_that_has_golden_events_is_the_one_that_is_written()
    {
        var written = new EventBuilder(JournalBed.PageSize);
        written.Fence();
        var newest = GoldenEvent.All.Where(golden => golden.IsObject(out _)).Max(golden => golden.Bytes[0]);
        Assert.Equal(newest, written.ToEvent(JournalBed.Key, 1, 0).Bytes.Span[0]);
    }

    [Fact]
    public async Task A_node_upgrades_a_database_of_golden_events_and_goes_on_writing_to_it()
    {
        using var folder = new TestFolder();
        MakeDatabase(folder.Combine("grid.db"));
        await using var node = await NodeProcess.StartAsync(NodeSetup.Default with { DataDirectory = folder.Path }, output);
        var expected = Expected();
        Assert.NotEmpty(expected);
        await using (var client = await node.ConnectAsync())
        {
            var pool = await client.OpenPoolAsync("vault");
            await AssertHoldsAsync(pool, expected);
            foreach (var id in expected.Keys.Select(handle => handle.Id).Distinct()) await pool.StoreAsync(id, 77, PageBytes.Random(77));
        }

        await node.Kill9Async();
        await node.RestartAsync();
        await using var again = await node.ConnectAsync();
        var reopened = await again.OpenPoolAsync("vault");
        foreach (var id in expected.Keys.Select(handle => handle.Id).Distinct().ToArray()) expected[(id, 77)] = GoldenEvent.HashOf(PageBytes.Random(77));
        await AssertHoldsAsync(reopened, expected);
        await foreach (var item in reopened.ListObjectsAsync(withEmpty: true))
            await foreach (var part in reopened.VerifyObjectAsync(item.Id)) Assert.Empty(part.Damages);
    }

    private static void MakeDatabase(string path)
    {
        using var connection = new SqliteConnection(new SqliteConnectionStringBuilder { DataSource = path, Pooling = false }.ConnectionString);
        connection.Open();
        using (var schema = connection.CreateCommand())
        {
            schema.CommandText = GoldenEvent.FirstSchema;
            schema.ExecuteNonQuery();
        }

        foreach (var golden in GoldenEvent.All.OrderBy(golden => golden.SequenceNr))
        {
            using var insert = connection.CreateCommand();
            insert.CommandText = "INSERT INTO journal (created, deleted, persistence_id, sequence_number, manifest, identifier, writer_uuid, message) VALUES (0, 0, $id, $nr, $manifest, $serializer, 'golden', $bytes)";
            insert.Parameters.AddWithValue("$id", golden.PersistenceId);
            insert.Parameters.AddWithValue("$nr", golden.SequenceNr);
            insert.Parameters.AddWithValue("$manifest", golden.Manifest);
            insert.Parameters.AddWithValue("$serializer", golden.Serializer);
            insert.Parameters.AddWithValue("$bytes", golden.Bytes);
            insert.ExecuteNonQuery();
        }
    }

    /// <summary>What the files' own words add up to.</summary>
    private static Dictionary<(ObjectId Id, uint Index), string> Expected()
    {
        var held = new Dictionary<(ObjectId Id, uint Index), string>();
        foreach (var golden in GoldenEvent.All.OrderBy(golden => golden.SequenceNr))
        {
            if (!golden.IsObject(out var key)) continue;
            foreach (var words in golden.Facts.Select(fact => fact.Split(' ')).Where(words => words[0] == "entry:"))
            {
                if (words[1] == "put") held[(key.Object, Index(words[2]))] = words[4];
                else if (words[1] == "flush") held.Remove((key.Object, Index(words[2])));
                else if (words[1] == nameof(EventEntryKind.FlushObject))
                    foreach (var handle in held.Keys.Where(handle => handle.Id == key.Object).ToArray()) held.Remove(handle);
                // A checkpoint's pieces and fences change nothing.
                else Assert.Contains(words[1], (string[])["range", "held", nameof(EventEntryKind.Fence)]);
            }
        }

        return held;
    }

    private static uint Index(string text) => uint.Parse(text, CultureInfo.InvariantCulture);

    private static async Task AssertHoldsAsync(Pool pool, Dictionary<(ObjectId Id, uint Index), string> expected)
    {
        var found = new Dictionary<(ObjectId Id, uint Index), string>();
        await foreach (var item in pool.ListObjectsAsync())
            await foreach (var piece in pool.ListPagesAsync(item.Id))
                foreach (var index in piece.Indexes)
                {
                    var (hit, page, _) = await pool.ReadAsync(item.Id, index);
                    if (hit) found.Add((item.Id, index), GoldenEvent.HashOf(page));
                }

        Assert.Equal(expected.OrderBy(pair => pair.Key), found.OrderBy(pair => pair.Key));
    }
}
