using System.Buffers;
using System.Buffers.Binary;
using Grid.Protocol;

namespace Grid.Cli.Transfer;

/// <summary>A page of a record: where its stored bytes lie in the record's payload.</summary>
internal readonly record struct ExportedPage(uint Index, StoredAs Codec, int Offset, int StoredBytes);

/// <summary>
/// Reads an export file, record after record, and verifies everything before it gives it out: a record's checksum and place, every page's checksum, counts, the end. What is wrong is an
/// <see cref="ExportFormatException"/> with the byte at which the record begins.
/// </summary>
/// <param name="input">Where from; need not be seekable.</param>
internal sealed class ExportReader(Stream input)
{
    private readonly byte[] _head = new byte[ExportFormat.RecordHeadBytes];
    private readonly List<ExportedPage> _recordPages = [];
    private byte[] _payload = [];
    private int _payloadBytes;
    private ulong _last;
    private ulong _poolChecksum;
    private long _recordAt;
    private ObjectId? _object;
    private ObjectId? _before;
    private long _lastIndex = -1;
    private ulong _objectPages;
    private ulong _objects;
    private ulong _pages;
    private ulong _changed;

    /// <summary>Bytes read.</summary>
    public long Bytes { get; private set; }

    /// <summary>The pool, once begun.</summary>
    public ExportedPool Pool { get; private set; } = null!;

    /// <summary>The object that the pages read last belong to.</summary>
    public ObjectId Object => _object!.Value;

    /// <summary>The pages read last.</summary>
    public IReadOnlyList<ExportedPage> Pages => _recordPages;

    /// <summary>Pages so far.</summary>
    public ulong PageCount => _pages;

    /// <summary>What the file says at its end, once that is read.</summary>
    public ExportTotals? Totals { get; private set; }

    /// <summary>Reads the beginning.</summary>
    public async ValueTask BeginAsync(CancellationToken cancellation)
    {
        var magic = new byte[ExportFormat.MagicBytes];
        await FillAsync(magic, magic.Length, "the file's first bytes", cancellation);
        if (!magic.AsSpan(0, 8).SequenceEqual(ExportFormat.Magic.AsSpan(0, 8))) throw new ExportFormatException("this is no export of a pool: its first bytes are others");
        var version = BinaryPrimitives.ReadUInt32LittleEndian(magic.AsSpan(8));
        if (version != ExportFormat.Version) throw new ExportFormatException($"the file has format {version}, this program reads format {ExportFormat.Version}");
        if (!magic.AsSpan(12).SequenceEqual(ExportFormat.Magic.AsSpan(12))) throw new ExportFormatException("the file's first bytes are damaged");
        if (await ReadRecordAsync(cancellation) != RecordKind.Pool) throw Wrong("the pool's attributes must be the first record");
        Pool = Parse(ReadPool);
        if (Pool.Options.Validate() is { } wrong) throw Wrong(wrong);
        if (PoolOptions.ValidateName(Pool.Name) is { } wrongName) throw Wrong(wrongName);
        _poolChecksum = _last;
    }

    /// <summary>Reads on to the next pages; false at the file's end, which was verified then.</summary>
    public async ValueTask<bool> NextPagesAsync(CancellationToken cancellation)
    {
        while (true)
        {
            switch (await ReadRecordAsync(cancellation))
            {
                case RecordKind.Object when _object is null:
                    BeginObject();
                    break;
                case RecordKind.Pages when _object is { } id:
                    ReadPages(id);
                    return true;
                case RecordKind.ObjectEnd when _object is not null:
                    EndObject();
                    break;
                case RecordKind.End when _object is null:
                    await EndAsync(cancellation);
                    return false;
                case var kind:
                    throw Wrong($"a record of kind {(byte)kind} can't stand there");
            }
        }
    }

    /// <summary>Gives a page of those read last.</summary>
    public void Restore(in ExportedPage page, Span<byte> destination)
    {
        if (!ExportFormat.TryRestore(page.Codec, _payload.AsSpan(page.Offset, page.StoredBytes), destination))
            throw Wrong($"page {page.Index} of object {_object} has {page.StoredBytes} stored bytes, which can't be a page of {destination.Length}");
    }

    private void BeginObject()
    {
        var id = Parse((ref BodyReader reader) => new ObjectId(reader.UInt64(), reader.UInt64(), reader.UInt64()));
        if (_before is { } before && id.CompareTo(before) <= 0) throw Wrong($"object {id} follows object {before}: ids must ascend");
        (_object, _before, _lastIndex, _objectPages) = (id, id, -1, 0);
        _objects++;
    }

    private void EndObject()
    {
        var (pages, flags) = Parse((ref BodyReader reader) => (reader.UInt64(), reader.UInt32()));
        if (pages != _objectPages) throw Wrong($"object {_object} has {_objectPages} pages in the file and should have {pages}");
        if ((flags & ExportFormat.ChangedBit) != 0) _changed++;
        _object = null;
    }

    private async ValueTask EndAsync(CancellationToken cancellation)
    {
        var found = new ExportTotals(_objects, _pages, _changed);
        var told = Parse((ref BodyReader reader) => new ExportTotals(reader.UInt64(), reader.UInt64(), reader.UInt64()));
        if (told != found) throw Wrong($"the file holds {found.Objects} objects and {found.Pages} pages, its end tells of {told.Objects} and {told.Pages}");
        if (await input.ReadAsync(_head.AsMemory(0, 1), cancellation) > 0) throw new ExportFormatException($"at byte {Bytes}: the file goes on behind its end");
        Totals = told;
    }

    private void ReadPages(ObjectId id)
    {
        _recordPages.Clear();
        var payload = _payload.AsSpan(0, _payloadBytes);
        var count = payload.Length < sizeof(uint) ? 0 : BinaryPrimitives.ReadUInt32LittleEndian(payload);
        var at = sizeof(uint) + (count * ExportFormat.PageEntryBytes);
        if (count is 0 or > ExportFormat.MaxPages || at > payload.Length) throw Wrong($"it tells of {count} pages in {payload.Length} bytes");
        for (var i = 0; i < count; i++)
        {
            var entry = payload.Slice(sizeof(uint) + (i * ExportFormat.PageEntryBytes), ExportFormat.PageEntryBytes);
            var index = BinaryPrimitives.ReadUInt32LittleEndian(entry);
            var codec = BinaryPrimitives.ReadUInt32LittleEndian(entry[4..]);
            var length = BinaryPrimitives.ReadUInt32LittleEndian(entry[8..]);
            if (index <= _lastIndex) throw Wrong($"page {index} of object {id} follows page {_lastIndex}: indexes must ascend");
            if (codec > (byte)StoredAs.Same || BinaryPrimitives.ReadUInt32LittleEndian(entry[12..]) != 0 || length > payload.Length - at) throw Wrong($"page {index} of object {id} has codec {codec} and {length} bytes");
            var stored = payload.Slice((int)at, (int)length);
            if (ExportFormat.PageChecksum(_poolChecksum, id, index, Pool.Options.PageSizeBytes, (StoredAs)codec, stored) != BinaryPrimitives.ReadUInt64LittleEndian(entry[16..]))
                throw Wrong($"page {index} of object {id} fails its checksum");
            _recordPages.Add(new ExportedPage(index, (StoredAs)codec, (int)at, (int)length));
            _lastIndex = index;
            at += length;
        }

        if (at != payload.Length) throw Wrong($"{payload.Length - at} bytes are left over");
        if ((long)count * Pool.Options.PageSizeBytes > ProtocolLimits.MaxBatchBytes) throw Wrong($"{count} pages are more than a record holds");
        _objectPages += count;
        _pages += count;
    }

    private static ExportedPool ReadPool(ref BodyReader reader)
    {
        var options = PoolCodec.ReadOptions(ref reader);
        var (flags, created) = (reader.UInt32(), reader.UInt64());
        if (created > 253_402_300_799_000) throw new ProtocolException("its date makes no sense");
        var (name, tenant, agent) = (reader.String(), reader.String(), reader.String());
        return new ExportedPool(name, tenant, options, (flags & ExportFormat.FrozenBit) != 0, DateTimeOffset.FromUnixTimeMilliseconds((long)created).UtcDateTime, agent);
    }

    private delegate T Reading<out T>(ref BodyReader reader);

    private T Parse<T>(Reading<T> read)
    {
        try
        {
            var reader = new BodyReader(new ReadOnlySequence<byte>(_payload, 0, _payloadBytes));
            var value = read(ref reader);
            reader.End();
            return value;
        }
        catch (ProtocolException wrong)
        {
            throw Wrong(wrong.Message);
        }
    }

    private async ValueTask<RecordKind> ReadRecordAsync(CancellationToken cancellation)
    {
        _recordAt = Bytes;
        await FillAsync(_head, _head.Length, "a record's head", cancellation);
        var (kind, length) = (BinaryPrimitives.ReadUInt32LittleEndian(_head), BinaryPrimitives.ReadUInt32LittleEndian(_head.AsSpan(4)));
        if (kind is < (byte)RecordKind.Pool or > (byte)RecordKind.End || length > ExportFormat.MaxPayloadBytes) throw Wrong($"it says that it is of kind {kind} and has {length} bytes");
        var whole = ExportFormat.RecordHeadBytes + (int)length + ExportFormat.ChecksumBytes;
        if (_payload.Length < whole) _payload = GC.AllocateUninitializedArray<byte>(whole);
        // Head, payload and checksum side by side, as the checksum covers them.
        _head.CopyTo(_payload, 0);
        await FillAsync(_payload.AsMemory(ExportFormat.RecordHeadBytes), whole - ExportFormat.RecordHeadBytes, "a record", cancellation);
        var covered = _payload.AsSpan(0, whole - ExportFormat.ChecksumBytes);
        var checksum = ExportFormat.RecordChecksum(_last, covered);
        if (checksum != BinaryPrimitives.ReadUInt64LittleEndian(_payload.AsSpan(covered.Length))) throw Wrong("its checksum does not hold");
        _last = checksum;
        _payloadBytes = (int)length;
        covered[ExportFormat.RecordHeadBytes..].CopyTo(_payload);
        return (RecordKind)kind;
    }

    private async ValueTask FillAsync(Memory<byte> buffer, int count, string what, CancellationToken cancellation)
    {
        var read = await input.ReadAtLeastAsync(buffer[..count], count, throwOnEndOfStream: false, cancellation);
        Bytes += read;
        if (read < count) throw new ExportFormatException($"the file ends at byte {Bytes}, in the middle of {what}: it is truncated");
    }

    private ExportFormatException Wrong(string what) => new($"the record at byte {_recordAt} is damaged: {what}");
}
