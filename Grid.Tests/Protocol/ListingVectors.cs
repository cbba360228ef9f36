using System.Globalization;
using Grid.Protocol;

namespace Grid.Tests.Protocol;

/// <summary>The fields of lists and verifications, both ways.</summary>
internal static class ListingVectors
{
    public static void Request(FieldWriter fields, ObjectListRequest request)
    {
        fields.Number("pool", request.Pool.Value);
        fields.Text("from", request.From.ToString());
        fields.Number("most", (ulong)request.Most);
        fields.YesNo("with-empty", request.WithEmpty);
    }

    public static ObjectListRequest ListRequest(FieldReader fields) => new(
        new PoolId(fields.Number("pool")), ObjectId.Parse(fields.Text("from")), (int)fields.Number("most"), fields.YesNo("with-empty"));

    public static void Objects(FieldWriter fields, ObjectListPart part)
    {
        fields.YesNo("last", part.IsLast);
        fields.Text("next", part.Next.ToString());
        foreach (var item in part.Objects) fields.Text("item", $"{item.Id} {item.Pages?.ToString(CultureInfo.InvariantCulture) ?? "unknown"}");
    }

    public static ObjectListPart Objects(FieldReader fields)
    {
        var (isLast, next) = (fields.YesNo("last"), ObjectId.Parse(fields.Text("next")));
        var objects = new List<ListedObject>();
        while (fields.NextKey == "item")
        {
            var words = fields.Text("item").Split(' ');
            objects.Add(new ListedObject(ObjectId.Parse(words[0]), words[1] == "unknown" ? null : Number(words[1])));
        }

        return new ObjectListPart(objects, next, isLast);
    }

    public static void Pages(FieldWriter fields, PageListPart part)
    {
        fields.YesNo("last", part.IsLast);
        fields.Number("next", part.Next);
        fields.Numbers("indexes", part.Indexes.Select(index => (long)index));
    }

    public static PageListPart Pages(FieldReader fields)
    {
        var (isLast, next) = (fields.YesNo("last"), fields.UInt32("next"));
        var indexes = fields.Text("indexes").Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(text => (uint)Number(text));
        return new PageListPart([.. indexes], next, isLast);
    }

    public static void Request(FieldWriter fields, VerifyRequest request)
    {
        fields.Number("pool", request.Pool.Value);
        fields.Text("object", request.Object.ToString());
        fields.Number("after", request.After);
        fields.Number("max-bytes", (ulong)request.MaxBytes);
    }

    public static VerifyRequest VerifyRequest(FieldReader fields) => new(
        new PoolId(fields.Number("pool")), ObjectId.Parse(fields.Text("object")), fields.Number("after"), (int)fields.Number("max-bytes"));

    public static void Verified(FieldWriter fields, VerifyPart part)
    {
        fields.YesNo("last", part.IsLast);
        fields.Number("last-event", part.Last);
        fields.Number("events", part.Events);
        fields.Number("pages", part.Pages);
        fields.Number("bytes", part.Bytes);
        foreach (var damage in part.Damages)
        {
            var index = damage.Index?.ToString(CultureInfo.InvariantCulture) ?? "-";
            fields.Text("damage", $"{damage.Event} {index} {(damage.IsSuperseded ? "superseded" : "needed")} {damage.What}");
        }
    }

    public static VerifyPart Verified(FieldReader fields)
    {
        var isLast = fields.YesNo("last");
        var numbers = new[] { "last-event", "events", "pages", "bytes" }.Select(fields.Number).ToArray();
        var damages = new List<JournalDamage>();
        while (fields.NextKey == "damage")
        {
            var words = fields.Text("damage").Split(' ', 4);
            damages.Add(new JournalDamage(Number(words[0]), words[1] == "-" ? null : (uint)Number(words[1]), words[2] == "superseded", words[3]));
        }

        return new VerifyPart(isLast, numbers[0], numbers[1], numbers[2], numbers[3], damages);
    }

    private static ulong Number(string text) => ulong.Parse(text, CultureInfo.InvariantCulture);
}
