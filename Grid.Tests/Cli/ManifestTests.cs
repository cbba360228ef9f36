using CsCheck;
using Grid.Cli.Files;
using Grid.Protocol;
using Xunit;

namespace Grid.Tests.Cli;

public sealed class ManifestTests
{
    private static readonly Gen<string> Name = Gen.Char["abcXYZ019-_. äß日"].Array[1, 6].Select(chars => new string(chars)).Where(name => name is not "." and not "..");
    private static readonly Gen<ObjectId> Id = Gen.Select(Gen.ULong, Gen.ULong, Gen.ULong, (a, b, c) => new ObjectId(a, b, c));
    private static readonly Gen<DateTime> Time = Gen.Long[0, DateTime.MaxValue.Ticks].Select(ticks => new DateTime(ticks, DateTimeKind.Utc));
    private static readonly Gen<UnixFileMode> Mode = Gen.Int[0, 0xFFF].Select(mode => (UnixFileMode)mode);
    private static readonly Gen<UInt128> Checksum = Gen.Select(Gen.ULong, Gen.ULong, (a, b) => new UInt128(a, b));

    private static readonly Gen<FileEntry> Leaf = Gen.OneOf(
        Gen.Select(Name, Mode, Time).Select((name, mode, time) => new FileEntry(EntryKind.Directory, name) { Mode = mode, ModifiedUtc = time }),
        Gen.Select(Name, Time, Name).Select((name, time, target) => new FileEntry(EntryKind.Link, name) { ModifiedUtc = time, Target = $"../{target}" }),
        Gen.Select(Name, Mode, Time, Gen.Long[0, 3 * FileBlocks.BlockBytes], Id, Checksum, Gen.ULong).Select((name, mode, time, size, id, checksum, block) => new FileEntry(EntryKind.File, name)
        {
            Mode = mode,
            ModifiedUtc = time,
            SizeBytes = size,
            Object = id,
            Checksum = checksum,
            BlockChecksums = [.. Enumerable.Range(0, (int)FileBlocks.BlockCount(size)).Select(i => block + (ulong)i)],
        }));

    // Each leaf hangs under the directories so far: a tree of some depth.
    private static readonly Gen<Manifest> Tree = Gen.Select(Leaf, Gen.Int[0, 1000]).Array[0, 30].Select(leaves =>
    {
        var directories = new List<string> { "" };
        var entries = new Dictionary<string, FileEntry>(StringComparer.Ordinal);
        foreach (var (leaf, number) in leaves)
        {
            var entry = leaf with { Path = directories[number % directories.Count] + leaf.Path };
            if (!entries.TryAdd(entry.Path, entry)) continue;
            if (entry.Kind == EntryKind.Directory) directories.Add($"{entry.Path}/");
        }

        return Manifest.Of(entries.Values);
    });

    [Fact]
    public void AManifestComesBackAsItWasWritten() => Tree.Sample(tree =>
    {
        var back = ManifestCodec.Decode(ManifestCodec.Encode(tree));
        Assert.Equal(tree.Entries.Select(Describe), back.Entries.Select(Describe));
    });

    [Fact]
    public void AnyCutOrFlippedByteGivesAManifestOrOneException() => Gen.Select(Tree, Gen.Int[0, int.MaxValue], Gen.Byte[1, 255], Gen.Bool).Sample((tree, at, flip, cut) =>
    {
        var body = ManifestCodec.Encode(tree);
        at %= body.Length;
        if (cut) body = body[..at];
        else body[at] ^= flip;
        try
        {
            ManifestCodec.Decode(body);
        }
        catch (ManifestException)
        {
            // The one answer to bytes that make no sense.
        }
    });

    [Fact]
    public void MergingGivesEveryPathOfTheNewTreeAndIsATree() => Gen.Select(Tree, Tree).Sample((old, over) =>
    {
        var merged = old.Merge(over).Entries.ToDictionary(entry => entry.Path);
        foreach (var entry in over.Entries) Assert.Same(entry, merged[entry.Path]);
        foreach (var entry in old.Entries)
        {
            var hidden = over.Entries.Any(other => other.Path == entry.Path || (other.Kind != EntryKind.Directory && entry.Path.StartsWith($"{other.Path}/", StringComparison.Ordinal)));
            Assert.Equal(!hidden, merged.TryGetValue(entry.Path, out var kept) && ReferenceEquals(kept, entry));
        }
    });

    [Fact]
    public void AFileThatTakesADirectorysPlaceHidesWhatLayUnderIt()
    {
        var old = Manifest.Of([new(EntryKind.Directory, "a"), new(EntryKind.Directory, "a/b"), new(EntryKind.File, "a/b/c"), new(EntryKind.File, "z")]);
        var merged = old.Merge(Manifest.Of([new(EntryKind.File, "a")]));
        Assert.Equal(["a", "z"], merged.Entries.Select(entry => entry.Path));
    }

    [Theory]
    [InlineData("")]
    [InlineData("/etc/passwd")]
    [InlineData("..")]
    [InlineData("../x")]
    [InlineData("a/../../x")]
    [InlineData("a/..")]
    [InlineData("a//b")]
    [InlineData("./a")]
    [InlineData("a/")]
    [InlineData("a\0b")]
    public void PathsThatLeaveTheTreeAreRefused(string path) =>
        Assert.Throws<ManifestException>(() => Manifest.Of([new FileEntry(EntryKind.Directory, "a"), new FileEntry(EntryKind.File, path)]));

    [Fact]
    public void NothingLiesUnderALink() => Assert.Throws<ManifestException>(() => Manifest.Of(
    [
        new FileEntry(EntryKind.Link, "a") { Target = "/etc" },
        new FileEntry(EntryKind.File, "a/passwd"),
    ]));

    [Fact]
    public void NoPathStandsTwice() => Assert.Throws<ManifestException>(() => Manifest.Of([new FileEntry(EntryKind.File, "a"), new FileEntry(EntryKind.Link, "a")]));

    [Fact]
    public void AHeaderComesBackAndADamagedOneDoesNot() => Gen.Select(Gen.ULong, Gen.ULong, Gen.Int[0, int.MaxValue], Checksum, Gen.Int[0, 63], Gen.Int[0, 7]).Sample((generation, run, size, checksum, at, bit) =>
    {
        var page = new byte[4096];
        var header = new ManifestHeader(generation, run, size, checksum);
        header.Write(page);
        Assert.Equal(header, ManifestHeader.Read(page));
        page[at] ^= (byte)(1 << bit);
        Assert.Throws<ManifestException>(() => ManifestHeader.Read(page));
    });

    [Fact]
    public void ANewHeaderNeverTakesTheSlotOfTheNewestOne() => Gen.ULong[0, ulong.MaxValue - 1].Sample(generation =>
        Assert.NotEqual(new ManifestHeader(generation, 1, 0, 0).Slot, new ManifestHeader(generation + 1, 1, 0, 0).Slot));

    [Fact]
    public void ARecordOfAStoreComesBackAndADamagedOneDoesNot() => Gen.Select(Gen.ULong, Time, Gen.Int, Name, Gen.Int[0, int.MaxValue], Gen.Int[0, 39]).Sample((run, time, process, host, objects, at) =>
    {
        var page = new byte[4096];
        var record = new RunRecord(run, time, process, host, objects);
        record.Write(page);
        Assert.Equal(record, RunRecord.TryRead(page));
        page[at] ^= 1;
        Assert.Null(RunRecord.TryRead(page));
    });

    [Fact]
    public void AStoreIsInterruptedWhenItsProcessIsGoneOrItBeganLongAgo()
    {
        var now = DateTime.UtcNow;
        var here = RunRecord.OfThisProcess(1, 0);
        Assert.False(here.IsInterrupted(now, _ => true));
        Assert.True(here.IsInterrupted(now, _ => false));
        var elsewhere = here with { Host = $"not-{Environment.MachineName}" };
        Assert.False(elsewhere.IsInterrupted(now.AddHours(23), _ => false));
        Assert.True(elsewhere.IsInterrupted(now.AddHours(25), _ => true));
    }

    private static string Describe(FileEntry entry) =>
        $"{entry.Kind} {entry.Path} {entry.Mode} {entry.ModifiedUtc.Ticks} {entry.SizeBytes} {entry.Object} {entry.Checksum:x} {string.Join(',', entry.BlockChecksums)} {entry.Target}";
}
