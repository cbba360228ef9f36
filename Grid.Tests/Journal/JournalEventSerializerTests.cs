using Akka.Serialization;
using Grid.Node.Journal;
using Xunit;

namespace Grid.Tests.Journal;

public sealed class JournalEventSerializerTests
{
    [Fact]
    public async Task Events_go_through_Akka_unchanged_under_their_manifest()
    {
        await using var bed = await JournalBed.WithoutTablesAsync();
        var (system, _) = bed.Start();
        var journalEvent = JournalBed.PageEvent(JournalBed.Key, 1, 1);
        var serializer = Assert.IsType<JournalEventSerializer>(system.Serialization.FindSerializerFor(journalEvent));
        Assert.Equal((7301, "W2"), (serializer.Identifier, serializer.Manifest(journalEvent)));
        var back = Assert.IsType<JournalEvent>(system.Serialization.Deserialize(serializer.ToBinary(journalEvent), 7301, "W2"));
        Assert.Equal(journalEvent.Bytes.ToArray(), back.Bytes.ToArray());
        Assert.Throws<ArgumentException>(() => serializer.FromBinary([], "W3"));
        Assert.Throws<ArgumentException>(() => serializer.ToBinary("something else"));
    }
}
