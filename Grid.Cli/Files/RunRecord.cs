using System.Buffers.Binary;
using System.IO.Hashing;
using System.Text;
using Grid.Protocol;

namespace Grid.Cli.Files;

/// <summary>
/// Says that a store is under way, so that what it wrote can be removed should it never end: one page among <see cref="FirstSlot"/> to <see cref="LastSlot"/> of
/// <see cref="ManifestHeader.HeaderObject"/>. The objects it writes are listed in <see cref="PlanObject"/>, 16 bytes each (an object's first two words).
/// Layout, little-endian: u64 magic "GRIDRUNS", u32 format 1, i32 process, u64 run, i64 started (UTC ticks), u32 objects, u32 bytes of the host's name, the name (UTF-8), u64 XxHash3-64 of all before it.
/// </summary>
/// <param name="Run">The store's random number.</param>
/// <param name="StartedUtc">When it began.</param>
/// <param name="ProcessId">Its process.</param>
/// <param name="Host">The machine of that process.</param>
/// <param name="Objects">How many objects it writes.</param>
internal sealed record RunRecord(ulong Run, DateTime StartedUtc, int ProcessId, string Host, int Objects)
{
    /// <summary>The first page that may hold a record.</summary>
    public const uint FirstSlot = ManifestHeader.Slots;

    /// <summary>The last page that may hold a record: with the headers, one batch of the largest pages.</summary>
    public const uint LastSlot = 15;

    /// <summary>Bytes of an object in the plan.</summary>
    public const int PlanEntryBytes = 16;

    private const ulong Magic = 0x534E555244495247;
    private const uint Format = 1;
    private const int FixedBytes = 40;
    private const int MaxHostBytes = 256;

    /// <summary>The object that lists what the store writes.</summary>
    public ObjectId PlanObject => new(ManifestHeader.HeaderObject.Word0, 0x6500706C616E0000, Run);

    /// <summary>The record of this process.</summary>
    /// <param name="run">The store's random number.</param>
    /// <param name="objects">How many objects it writes.</param>
    public static RunRecord OfThisProcess(ulong run, int objects) => new(run, DateTime.UtcNow, Environment.ProcessId, Environment.MachineName, objects);

    /// <summary>Writes the record into a page, the rest of which becomes zero.</summary>
    /// <param name="page">The page.</param>
    public void Write(Span<byte> page)
    {
        page.Clear();
        var host = Encoding.UTF8.GetBytes(Host);
        if (host.Length > MaxHostBytes) host = host[..MaxHostBytes];
        BinaryPrimitives.WriteUInt64LittleEndian(page, Magic);
        BinaryPrimitives.WriteUInt32LittleEndian(page[8..], Format);
        BinaryPrimitives.WriteInt32LittleEndian(page[12..], ProcessId);
        BinaryPrimitives.WriteUInt64LittleEndian(page[16..], Run);
        BinaryPrimitives.WriteInt64LittleEndian(page[24..], StartedUtc.Ticks);
        BinaryPrimitives.WriteInt32LittleEndian(page[32..], Objects);
        BinaryPrimitives.WriteInt32LittleEndian(page[36..], host.Length);
        host.CopyTo(page[FixedBytes..]);
        var end = FixedBytes + host.Length;
        BinaryPrimitives.WriteUInt64LittleEndian(page[end..], XxHash3.HashToUInt64(page[..end]));
    }

    /// <summary>Reads a record; null where the page is something else, of another format or damaged.</summary>
    /// <param name="page">The page.</param>
    public static RunRecord? TryRead(ReadOnlySpan<byte> page)
    {
        if (BinaryPrimitives.ReadUInt64LittleEndian(page) != Magic || BinaryPrimitives.ReadUInt32LittleEndian(page[8..]) != Format) return null;
        var hostBytes = BinaryPrimitives.ReadInt32LittleEndian(page[36..]);
        var ticks = BinaryPrimitives.ReadInt64LittleEndian(page[24..]);
        var objects = BinaryPrimitives.ReadInt32LittleEndian(page[32..]);
        if (hostBytes is < 0 or > MaxHostBytes || objects < 0 || ticks < 0 || ticks > DateTime.MaxValue.Ticks) return null;
        var end = FixedBytes + hostBytes;
        if (BinaryPrimitives.ReadUInt64LittleEndian(page[end..]) != XxHash3.HashToUInt64(page[..end])) return null;
        return new RunRecord(
            BinaryPrimitives.ReadUInt64LittleEndian(page[16..]),
            new DateTime(ticks, DateTimeKind.Utc),
            BinaryPrimitives.ReadInt32LittleEndian(page[12..]),
            Encoding.UTF8.GetString(page.Slice(FixedBytes, hostBytes)),
            objects);
    }

    /// <summary>Whether it surely never ends: its process is gone, or, on another machine, it began more than a day ago.</summary>
    /// <param name="nowUtc">Now.</param>
    /// <param name="processRuns">Whether a process of this machine runs.</param>
    public bool IsInterrupted(DateTime nowUtc, Func<int, bool> processRuns) =>
        nowUtc - StartedUtc > TimeSpan.FromDays(1) || (Host == Environment.MachineName && !processRuns(ProcessId));
}
