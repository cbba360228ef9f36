using CsCheck;
using Grid.Protocol;
using Xunit;

namespace Grid.Tests.Protocol;

public sealed class ObjectIdTests
{
    private static readonly Gen<ObjectId> GenObject = Gen.Select(Gen.ULong, Gen.ULong, Gen.ULong, (a, b, c) => new ObjectId(a, b, c));

    [Fact]
    public void Text_form_parses_back_in_either_case()
    {
        GenObject.Sample(id =>
        {
            var text = id.ToString();
            Assert.Equal(ObjectId.TextLength, text.Length);
            Assert.Equal(id, ObjectId.Parse(text));
            Assert.Equal(id, ObjectId.Parse(text.ToUpperInvariant()));
        });
    }

    [Fact]
    public void Wire_form_reads_back()
    {
        GenObject.Sample(id =>
        {
            var bytes = new byte[ObjectId.SizeBytes];
            id.Write(bytes);
            Assert.Equal(id, ObjectId.Read(bytes));
        });
    }

    [Fact]
    public void Words_stand_in_order_and_most_significant_digit_first() =>
        Assert.Equal("0000000000000001000000000000000a1000000000000000", new ObjectId(1, 10, 1UL << 60).ToString());

    [Theory]
    [InlineData("")]
    [InlineData("0")]
    [InlineData("00000000000000000000000000000000000000000000000")]
    [InlineData("0000000000000000000000000000000000000000000000000")]
    [InlineData("00000000000000000000000000000000000000000000000g")]
    [InlineData(" 00000000000000000000000000000000000000000000000")]
    [InlineData("00000000000000000000000000000000000000000000000 ")]
    [InlineData("0x0000000000000000000000000000000000000000000000")]
    [InlineData("-00000000000000000000000000000000000000000000001")]
    [InlineData("000000000000000\000000000000000000000000000000000")]
    [InlineData("00000000000000000000000000000000000000000000000\0")]
    public void Other_texts_are_refused(string text)
    {
        Assert.False(ObjectId.TryParse(text, out _));
        var failure = Assert.Throws<FormatException>(() => ObjectId.Parse(text));
        Assert.Contains("48 hexadecimal digits", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Order_is_that_of_the_text_form()
    {
        Gen.Select(GenObject, GenObject).Sample((a, b) =>
            Assert.Equal(Math.Sign(string.CompareOrdinal(a.ToString(), b.ToString())), Math.Sign(a.CompareTo(b))));
        Assert.Equal(0, ObjectId.FromUInt64(1).CompareTo(ObjectId.FromUInt64(1)));
    }

    [Fact]
    public void Keys_parse_back()
    {
        Gen.Select(Gen.ULong, GenObject).Sample((pool, id) =>
        {
            var key = new ObjectKey(new PoolId(pool), id);
            Assert.True(ObjectKey.TryParse(key.ToString(), out var read));
            Assert.Equal(key, read);
        });
    }

    [Theory]
    [InlineData("")]
    [InlineData("/")]
    [InlineData("5")]
    [InlineData("5/")]
    [InlineData("/000000000000000000000000000000000000000000000000")]
    [InlineData("05/000000000000000000000000000000000000000000000000")]
    [InlineData("+5/000000000000000000000000000000000000000000000000")]
    [InlineData(" 5/000000000000000000000000000000000000000000000000")]
    [InlineData("5\0/000000000000000000000000000000000000000000000000")]
    [InlineData("18446744073709551616/000000000000000000000000000000000000000000000000")]
    [InlineData("5/000000000000000000000000000000000000000000000000/1")]
    public void Other_keys_are_refused(string text) => Assert.False(ObjectKey.TryParse(text, out _));

    [Fact]
    public void Handles_and_versions_have_a_text_form()
    {
        var handle = new Handle(new PoolId(5), ObjectId.FromUInt64(255), 4294967295);
        Assert.Equal("5/00000000000000ff00000000000000000000000000000000/4294967295", handle.ToString());
        Assert.Equal(new ObjectKey(new PoolId(5), ObjectId.FromUInt64(255)), handle.Key);
        Assert.Equal("ff:10", new ObjectVersion(255, 10).ToString());
    }
}
