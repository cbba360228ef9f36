using System.Buffers;
using System.Buffers.Binary;
using System.Text;
using Grid.Protocol;

namespace Grid.Cli.Files;

/// <summary>
/// A manifest as bytes, little-endian: u32 magic "GMAN", u32 format 1, u32 entries, and for each entry
/// u8 kind, u16 mode, i64 modified (100 ns ticks since 0001-01-01 UTC), text path; a file adds i64 size, 24 bytes object, 16 bytes checksum, and u64 for each
/// block; a link adds text target. A text is u32 bytes and UTF-8.
/// </summary>
internal static class ManifestCodec
{
    private const uint Magic = 0x4E414D47;
    private const uint Format = 1;
    private const int MinEntryBytes = 1 + 2 + 8 + 4 + 1;
    private static readonly UTF8Encoding Strict = new(false, throwOnInvalidBytes: true);

    /// <summary>Writes a manifest.</summary>
    /// <param name="manifest">The manifest.</param>
    public static byte[] Encode(Manifest manifest)
    {
        var output = new ArrayBufferWriter<byte>(4096);
        UInt32(output, Magic);
        UInt32(output, Format);
        UInt32(output, (uint)manifest.Entries.Count);
        foreach (var entry in manifest.Entries) Write(output, entry);
        return output.WrittenSpan.ToArray();
    }

    /// <summary>Reads a manifest.</summary>
    /// <param name="body">What <see cref="Encode"/> wrote.</param>
    /// <exception cref="ManifestException">It makes no sense.</exception>
    public static Manifest Decode(ReadOnlySpan<byte> body)
    {
        var reader = new Reader(body);
        if (reader.UInt32() != Magic) throw new ManifestException("the manifest does not begin with 'GMAN'");
        if (reader.UInt32() is var format && format != Format)
            throw new ManifestException($"the manifest has format {format}, this program reads {Format}");
        var count = reader.UInt32();
        if (count > reader.Remaining / MinEntryBytes) throw new ManifestException($"the manifest claims {count} entries in {reader.Remaining} bytes");
        var entries = new FileEntry[count];
        for (var i = 0; i < entries.Length; i++) entries[i] = Read(ref reader);
        if (reader.Remaining != 0) throw new ManifestException($"{reader.Remaining} bytes follow the manifest's last entry");
        return Manifest.Of(entries);
    }

    private static void Write(ArrayBufferWriter<byte> output, FileEntry entry)
    {
        Byte(output, (byte)entry.Kind);
        UInt16(output, (ushort)entry.Mode);
        UInt64(output, (ulong)entry.ModifiedUtc.Ticks);
        Text(output, entry.Path);
        switch (entry.Kind)
        {
            case EntryKind.File:
                UInt64(output, (ulong)entry.SizeBytes);
                entry.Object.Write(output.GetSpan(ObjectId.SizeBytes));
                output.Advance(ObjectId.SizeBytes);
                BinaryPrimitives.WriteUInt128LittleEndian(output.GetSpan(16), entry.Checksum);
                output.Advance(16);
                foreach (var checksum in entry.BlockChecksums) UInt64(output, checksum);
                break;
            case EntryKind.Link:
                Text(output, entry.Target);
                break;
        }
    }

    private static FileEntry Read(ref Reader reader)
    {
        var kind = (EntryKind)reader.Byte();
        if (!Enum.IsDefined(kind)) throw new ManifestException($"the manifest holds an entry of unknown kind {(byte)kind}");
        var mode = (UnixFileMode)(reader.UInt16() & 0xFFF);
        var ticks = (long)reader.UInt64();
        if (ticks < 0 || ticks > DateTime.MaxValue.Ticks) throw new ManifestException($"the manifest holds the impossible time {ticks}");
        var entry = new FileEntry(kind, reader.Text()) { Mode = mode, ModifiedUtc = new DateTime(ticks, DateTimeKind.Utc) };
        if (kind == EntryKind.Link) return entry with { Target = reader.Text() };
        if (kind != EntryKind.File) return entry;

        var size = (long)reader.UInt64();
        entry = entry with { SizeBytes = size, Object = ObjectId.Read(reader.Take(ObjectId.SizeBytes)), Checksum = BinaryPrimitives.ReadUInt128LittleEndian(reader.Take(16)) };
        if (size < 0 || FileBlocks.BlockCount(size) > reader.Remaining / sizeof(ulong)) throw new ManifestException($"'{entry.Path}' claims {size} bytes, more than its checksums cover");
        var blocks = new ulong[FileBlocks.BlockCount(size)];
        for (var i = 0; i < blocks.Length; i++) blocks[i] = reader.UInt64();
        return entry with { BlockChecksums = blocks };
    }

    private static void Byte(ArrayBufferWriter<byte> output, byte value)
    {
        output.GetSpan(1)[0] = value;
        output.Advance(1);
    }

    private static void UInt16(ArrayBufferWriter<byte> output, ushort value)
    {
        BinaryPrimitives.WriteUInt16LittleEndian(output.GetSpan(2), value);
        output.Advance(2);
    }

    private static void UInt32(ArrayBufferWriter<byte> output, uint value)
    {
        BinaryPrimitives.WriteUInt32LittleEndian(output.GetSpan(4), value);
        output.Advance(4);
    }

    private static void UInt64(ArrayBufferWriter<byte> output, ulong value)
    {
        BinaryPrimitives.WriteUInt64LittleEndian(output.GetSpan(8), value);
        output.Advance(8);
    }

    private static void Text(ArrayBufferWriter<byte> output, string text)
    {
        var bytes = Strict.GetByteCount(text);
        UInt32(output, (uint)bytes);
        output.Advance(Strict.GetBytes(text, output.GetSpan(Math.Max(1, bytes))));
    }

    private ref struct Reader(ReadOnlySpan<byte> body)
    {
        private ReadOnlySpan<byte> _rest = body;

        public readonly int Remaining => _rest.Length;

        public ReadOnlySpan<byte> Take(int count)
        {
            if (count < 0 || count > _rest.Length) throw new ManifestException("the manifest ends in the middle of an entry");
            var taken = _rest[..count];
            _rest = _rest[count..];
            return taken;
        }

        public byte Byte() => Take(1)[0];

        public ushort UInt16() => BinaryPrimitives.ReadUInt16LittleEndian(Take(2));

        public uint UInt32() => BinaryPrimitives.ReadUInt32LittleEndian(Take(4));

        public ulong UInt64() => BinaryPrimitives.ReadUInt64LittleEndian(Take(8));

        public string Text()
        {
            var length = UInt32();
            if (length > Remaining) throw new ManifestException("the manifest ends in the middle of a text");
            try
            {
                return Strict.GetString(Take((int)length));
            }
            catch (DecoderFallbackException)
            {
                throw new ManifestException("the manifest holds a text that is not UTF-8");
            }
        }
    }
}
