using System.Globalization;
using Grid.Protocol;
using Xunit;

namespace Grid.Tests.Protocol;

/// <summary>The codec against docs/protocol-vectors.txt, which clients in other languages are written against.</summary>
public sealed class VectorTests
{
    private static readonly IReadOnlyList<Vector> All = VectorFile.ReadAll();
    private static readonly IReadOnlyDictionary<string, Vector> Frames = All.Where(vector => vector.Name != "shard").ToDictionary(vector => vector.Name);

    /// <summary>The names of the frames.</summary>
    public static TheoryData<string> Names => [.. Frames.Keys];

    [Theory]
    [MemberData(nameof(Names))]
    public void Encoding_the_fields_gives_the_bytes(string name) =>
        Assert.Equal(Convert.ToHexString(Frames[name].Bytes), Convert.ToHexString(VectorEncoder.Encode(Frames[name].Fields)));

    [Theory]
    [MemberData(nameof(Names))]
    public void Decoding_the_bytes_gives_the_fields(string name) => Assert.Equal(Frames[name].Fields, VectorDecoder.Decode(Frames[name].Bytes));

    [Fact]
    public void Shards_are_where_the_vectors_say()
    {
        var shards = All.Where(vector => vector.Name == "shard").ToArray();
        Assert.True(shards.Length >= 10);
        Assert.All(shards, vector =>
        {
            var fields = new FieldReader(vector.Fields);
            var key = new ObjectKey(new PoolId(fields.Number("pool")), ObjectId.Parse(fields.Text("object")));
            Assert.Equal(ShardHash.ShardOf(key, (int)fields.Number("shards")), (int)fields.Number("shard"));
            fields.End();
        });
    }

    [Fact]
    public void Every_request_every_answer_and_every_status_has_a_vector()
    {
        var seen = Frames.Values.Select(vector =>
        {
            var values = vector.Fields.ToLookup(field => field.Key, field => field.Value);
            return (Frame: values["frame"].Single(), Opcode: values["opcode"].Single(), Status: values["status"].SingleOrDefault());
        }).ToArray();
        Assert.All(Enum.GetValues<Opcode>(), opcode =>
        {
            var name = Kebab(opcode);
            Assert.True(opcode is Opcode.GoAway or Opcode.TopologyPush || seen.Contains(("request", name, null)), $"no request '{name}'");
            Assert.True(seen.Contains(("answer", name, "ok")), $"no answer '{name}'");
        });
        Assert.All(Enum.GetValues<Status>(), status => Assert.Contains(seen, vector => vector.Status == Kebab(status)));
    }

    /// <summary>A change of these numbers breaks every client there is.</summary>
    [Fact]
    public void The_numbers_of_the_specification_are_those_of_the_code()
    {
        Assert.Equal(1064960, ProtocolLimits.MaxBodyBytes);
        Assert.Equal(16384, ProtocolLimits.MaxHelloBodyBytes);
        Assert.Equal(4096, ProtocolLimits.MaxStringBytes);
        Assert.Equal(1024, ProtocolLimits.MaxErrorTextBytes);
        Assert.Equal(256, ProtocolLimits.MaxBatchPages);
        Assert.Equal(1048576, ProtocolLimits.MaxBatchBytes);
        Assert.Equal((1, 2), (ProtocolLimits.MinVersion, ProtocolLimits.MaxVersion));
    }

    private static string Kebab<T>(T value)
        where T : struct, Enum
    {
        var writer = new FieldWriter();
        writer.Name("value", value);
        return writer.Fields[0].Value.ToString(CultureInfo.InvariantCulture);
    }
}
