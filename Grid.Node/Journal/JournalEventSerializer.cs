using Akka.Actor;
using Akka.Serialization;

namespace Grid.Node.Journal;

/// <summary>Akka's serializer of <see cref="JournalEvent"/>: the bytes pass through untouched; they carry their own format and checksums.</summary>
/// <param name="system">The actor system.</param>
public sealed class JournalEventSerializer(ExtendedActorSystem system) : SerializerWithStringManifest(system)
{
    /// <summary>The serializer's number in the journal's rows.</summary>
    public const int Id = 7301;

    /// <summary>The manifest of format 1.</summary>
    public const string ManifestW1 = "W1";

    /// <inheritdoc/>
    public override int Identifier => Id;

    /// <inheritdoc/>
    public override string Manifest(object o) => o is JournalEvent ? ManifestW1 : throw Unknown(o);

    /// <inheritdoc/>
    public override byte[] ToBinary(object obj) => obj is JournalEvent journalEvent ? journalEvent.Array : throw Unknown(obj);

    /// <inheritdoc/>
    public override object FromBinary(byte[] bytes, string manifest) => manifest == ManifestW1
        ? new JournalEvent(bytes)
        : throw new ArgumentException($"This build reads journal events of manifest {ManifestW1}, not '{manifest}'.", nameof(manifest));

    private static ArgumentException Unknown(object obj) => new($"{obj.GetType()} is no journal event.", nameof(obj));
}
