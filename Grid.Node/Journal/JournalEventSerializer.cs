using Akka.Actor;
using Akka.Serialization;
using Grid.Node.Admin;

namespace Grid.Node.Journal;

/// <summary>
/// Akka's serializer of <see cref="JournalEvent"/>: the bytes pass through untouched; they carry their own format and checksums. The node's journal takes them without asking here,
/// so that whoever asks for bytes is about to send pages to another node: that is counted.
/// </summary>
/// <param name="system">The actor system.</param>
public sealed class JournalEventSerializer(ExtendedActorSystem system) : SerializerWithStringManifest(system)
{
    private readonly ClusterTraffic _traffic = ClusterTraffic.Of(system);

    /// <summary>The serializer's number in the journal's rows.</summary>
    public const int Id = 7301;

    /// <summary>The manifest of format 1.</summary>
    public const string ManifestW1 = "W1";

    /// <summary>The manifest of format 2.</summary>
    public const string ManifestW2 = "W2";

    /// <inheritdoc/>
    public override int Identifier => Id;

    /// <summary>Whether this build reads events of a manifest.</summary>
    /// <param name="manifest">The manifest.</param>
    public static bool Reads(string manifest) => manifest is ManifestW1 or ManifestW2;

    /// <inheritdoc/>
    public override string Manifest(object o) => o is JournalEvent journalEvent
        ? journalEvent.Array[0] == EventFormat.Version1 ? ManifestW1 : ManifestW2
        : throw Unknown(o);

    /// <inheritdoc/>
    public override byte[] ToBinary(object obj)
    {
        if (obj is not JournalEvent journalEvent) throw Unknown(obj);
        _traffic.CountPages(journalEvent.Array.Length);
        return journalEvent.Array;
    }

    /// <inheritdoc/>
    public override object FromBinary(byte[] bytes, string manifest) => Reads(manifest)
        ? new JournalEvent(bytes)
        : throw new ArgumentException($"This build reads journal events of the manifests {ManifestW1} and {ManifestW2}, not '{manifest}'.", nameof(manifest));

    private static ArgumentException Unknown(object obj) => new($"{obj.GetType()} is no journal event.", nameof(obj));
}
