namespace Grid.Protocol;

/// <summary>Asks to check a piece of what the journal holds of an object: u64 pool, 3 x u64 object, u64 the event after which to begin, u32 the most bytes to read.</summary>
/// <param name="Pool">The pool; a persistent one.</param>
/// <param name="Object">The object.</param>
/// <param name="After">The event after which to begin; 0 for the beginning.</param>
/// <param name="MaxBytes">No further event once so many bytes are read, 1 to <see cref="ProtocolLimits.MaxVerifyBytes"/>.</param>
public readonly record struct VerifyRequest(PoolId Pool, ObjectId Object, ulong After, int MaxBytes)
{
    /// <summary>Writes the request's body.</summary>
    /// <param name="writer">Where to.</param>
    public void Write(ref BodyWriter writer)
    {
        writer.UInt64(Pool.Value);
        writer.Object(Object);
        writer.UInt64(After);
        writer.UInt32((uint)MaxBytes);
    }

    /// <summary>Reads the request's body.</summary>
    /// <param name="reader">Where from.</param>
    /// <exception cref="ProtocolException">It ends too soon.</exception>
    public static VerifyRequest Read(ref BodyReader reader) =>
        new(new PoolId(reader.UInt64()), reader.Object(), reader.UInt64(), (int)Math.Min(reader.UInt32(), int.MaxValue));
}

/// <summary>Something in the journal that is not what was written.</summary>
/// <param name="Event">The event's sequence number.</param>
/// <param name="Index">The page, where only one is concerned; null where the whole event is.</param>
/// <param name="IsSuperseded">Whether a later event decides what that page holds: no get asks for these bytes any more.</param>
/// <param name="What">What is wrong.</param>
public sealed record JournalDamage(ulong Event, uint? Index, bool IsSuperseded, string What);

/// <summary>
/// What a piece of an object's journal looks like: u32 whether it is the last (0 or 1), u64 the last event looked at, u64 events, u64 pages, u64 bytes, u32 count of damages;
/// each: u64 event, u32 flags (1: one page, 2: superseded), u32 index, string.
/// </summary>
/// <param name="IsLast">Whether nothing follows.</param>
/// <param name="Last">The last event looked at: the next piece begins after it.</param>
/// <param name="Events">Events read.</param>
/// <param name="Pages">Pages checked, superseded ones included.</param>
/// <param name="Bytes">Bytes of the events.</param>
/// <param name="Damages">What is wrong; at most <see cref="ProtocolLimits.MaxDamages"/>.</param>
public sealed record VerifyPart(bool IsLast, ulong Last, ulong Events, ulong Pages, ulong Bytes, IReadOnlyList<JournalDamage> Damages)
{
    private const byte PageBit = 1;
    private const byte SupersededBit = 2;
    private const int MinDamageBytes = 18;

    /// <summary>Writes the answer's body.</summary>
    /// <param name="writer">Where to.</param>
    public void Write(ref BodyWriter writer)
    {
        writer.Bool32(IsLast);
        writer.UInt64(Last);
        writer.UInt64(Events);
        writer.UInt64(Pages);
        writer.UInt64(Bytes);
        writer.UInt32((uint)Damages.Count);
        foreach (var damage in Damages)
        {
            writer.UInt64(damage.Event);
            writer.UInt32((damage.Index is null ? 0u : PageBit) | (damage.IsSuperseded ? SupersededBit : 0u));
            writer.UInt32(damage.Index ?? 0);
            writer.String(damage.What);
        }
    }

    /// <summary>Reads the answer's body; flags it does not know are ignored.</summary>
    /// <param name="reader">Where from.</param>
    /// <exception cref="ProtocolException">It makes no sense.</exception>
    public static VerifyPart Read(ref BodyReader reader)
    {
        var (isLast, last, events, pages, bytes) = (reader.Bool32(), reader.UInt64(), reader.UInt64(), reader.UInt64(), reader.UInt64());
        var damages = new JournalDamage[reader.Count(MinDamageBytes)];
        for (var i = 0; i < damages.Length; i++)
        {
            var (at, flags, index, what) = (reader.UInt64(), reader.UInt32(), reader.UInt32(), reader.String());
            damages[i] = new JournalDamage(at, (flags & PageBit) != 0 ? index : null, (flags & SupersededBit) != 0, what);
        }

        return new VerifyPart(isLast, last, events, pages, bytes, damages);
    }
}
