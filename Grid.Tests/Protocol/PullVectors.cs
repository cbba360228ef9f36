using Grid.Protocol;

namespace Grid.Tests.Protocol;

/// <summary>The fields of what nodes fetch from each other, both ways.</summary>
internal static class PullVectors
{
    public static void Request(FieldWriter fields, PullRequest request)
    {
        fields.Number("pool", request.Key.Pool.Value);
        fields.Text("object", request.Key.Object.ToString());
        fields.Number("life", request.Incarnation);
    }

    public static PullRequest Request(FieldReader fields) =>
        new(new ObjectKey(new PoolId(fields.Number("pool")), ObjectId.Parse(fields.Text("object"))), fields.Number("life"));

    public static void Answer(FieldWriter fields, ref BodyReader reader)
    {
        fields.YesNo("more", reader.UInt32() != 0);
        var count = (int)reader.UInt32();
        var pageBytes = count == 0 ? 0 : ((int)reader.Remaining / count) - sizeof(uint);
        for (; count > 0; count--) fields.Text("page", $"{reader.UInt32()} {Convert.ToHexStringLower(reader.Raw(pageBytes))}");
    }

    public static void Answer(FieldReader fields, ref BodyWriter writer)
    {
        writer.UInt32(fields.YesNo("more") ? 1u : 0u);
        var pages = new List<(uint Index, byte[] Bytes)>();
        while (fields.NextKey == "page")
        {
            var words = fields.Text("page").Split(' ');
            pages.Add((uint.Parse(words[0], System.Globalization.CultureInfo.InvariantCulture), Convert.FromHexString(words[1])));
        }

        writer.UInt32((uint)pages.Count);
        foreach (var (index, bytes) in pages)
        {
            writer.UInt32(index);
            writer.Raw(bytes);
        }
    }
}
