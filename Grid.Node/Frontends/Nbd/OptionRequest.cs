using System.Buffers;
using System.Buffers.Binary;
using System.Diagnostics.CodeAnalysis;
using System.Text;

namespace Grid.Node.Frontends.Nbd;

/// <summary>An option that a client sent.</summary>
/// <param name="Option">Which; may be unknown.</param>
/// <param name="Data">What came with it.</param>
/// <param name="IsTooBig">Its data was longer than is looked at, and read over.</param>
internal readonly record struct OptionRequest(NbdOption Option, byte[] Data, bool IsTooBig)
{
    private static readonly UTF8Encoding StrictUtf8 = new(false, throwOnInvalidBytes: true);

    /// <summary>Whether its answer depends on which exports there are.</summary>
    public bool NeedsExports => Option is NbdOption.ExportName or NbdOption.List or NbdOption.Info or NbdOption.Go or NbdOption.ListMetaContext or NbdOption.SetMetaContext;

    /// <summary>The export that it asks to enter or to be told of; null where it asks for none.</summary>
    public string? Enters => Option switch
    {
        NbdOption.ExportName when !IsTooBig && TryText(Data, out var name) => name,
        NbdOption.Info or NbdOption.Go when TryInfo(out var name, out _, out _, out _) => name,
        _ => null,
    };

    /// <summary>Reads a string; false where it is too long or no UTF-8.</summary>
    public static bool TryText(ReadOnlySpan<byte> bytes, [NotNullWhen(true)] out string? text)
    {
        text = null;
        if (bytes.Length > NbdLimits.StringBytes) return false;
        try
        {
            text = StrictUtf8.GetString(bytes);
            return true;
        }
        catch (DecoderFallbackException)
        {
            return false;
        }
    }

    /// <summary>Reads the data of INFO and GO: the export's name and what is asked about it.</summary>
    public bool TryInfo([NotNullWhen(true)] out string? name, out bool wantsName, out bool wantsDescription, out bool wantsBlockSize)
    {
        (wantsName, wantsDescription, wantsBlockSize) = (false, false, false);
        var rest = (ReadOnlySpan<byte>)Data;
        if (!TryCounted(ref rest, out name) || rest.Length < 2) return false;
        var count = BinaryPrimitives.ReadUInt16BigEndian(rest);
        rest = rest[2..];
        if (rest.Length != count * 2) return false;
        for (; rest.Length > 0; rest = rest[2..])
        {
            var info = (NbdInfo)BinaryPrimitives.ReadUInt16BigEndian(rest);
            wantsName |= info == NbdInfo.Name;
            wantsDescription |= info == NbdInfo.Description;
            wantsBlockSize |= info == NbdInfo.BlockSize;
        }

        return true;
    }

    /// <summary>Reads the data of LIST_META_CONTEXT and SET_META_CONTEXT.</summary>
    public bool TryQueries([NotNullWhen(true)] out string? name, [NotNullWhen(true)] out List<string>? queries)
    {
        queries = null;
        var rest = (ReadOnlySpan<byte>)Data;
        if (!TryCounted(ref rest, out name) || rest.Length < 4) return false;
        var count = BinaryPrimitives.ReadUInt32BigEndian(rest);
        rest = rest[4..];
        // Each takes four bytes at least: a count that lies is found before anything is made for it.
        if (count > rest.Length / 4) return false;
        var found = new List<string>();
        for (var i = 0u; i < count; i++)
        {
            if (!TryCounted(ref rest, out var query)) return false;
            found.Add(query);
        }

        if (rest.Length > 0) return false;
        queries = found;
        return true;
    }

    private static bool TryCounted(ref ReadOnlySpan<byte> rest, [NotNullWhen(true)] out string? text)
    {
        text = null;
        if (rest.Length < 4) return false;
        var length = BinaryPrimitives.ReadUInt32BigEndian(rest);
        rest = rest[4..];
        if (length > rest.Length || !TryText(rest[..(int)length], out text)) return false;
        rest = rest[(int)length..];
        return true;
    }
}
