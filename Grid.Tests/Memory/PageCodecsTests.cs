using System.Buffers;
using CsCheck;
using Grid.Node.Memory;
using Grid.Protocol;
using Xunit;

namespace Grid.Tests.Memory;

public sealed class PageCodecsTests
{
    private static readonly Gen<int> SizeGen = Gen.Int[0, 4].Select(shift => 4096 << shift);

    [Fact]
    public void A_page_is_same_filled_exactly_when_one_word_fills_it_however_it_is_cut()
    {
        var page = Gen.Select(SizeGen, Gen.ULong, Gen.Int[-1, 65535], Gen.Int[1, 65535].Array[0, 4]);
        page.Sample((bytes, word, spoilt, cuts) =>
        {
            var data = Pages.Make(bytes, word, Look.Same);
            if (spoilt >= 0) data[spoilt % bytes] ^= 0x10;
            int[] ends = [.. cuts.Select(cut => cut % bytes).Where(cut => cut > 0).Distinct().Order()];
            Assert.Equal(spoilt < 0, PageCodecs.IsSameFilled(Pages.Pieces(data, ends), out var found));
            if (spoilt < 0) Assert.Equal(word, found);
            Assert.Equal(spoilt < 0, PageCodecs.IsSameFilled(data, out _));
        });
    }

    [Theory]
    [InlineData(PageCompression.Lz4)]
    [InlineData(PageCompression.Zstd)]
    public void What_is_compressed_decodes_to_the_page(PageCompression compression)
    {
        Gen.Select(SizeGen, Gen.ULong, Gen.Enum<Look>()).Sample((bytes, number, look) =>
        {
            var page = Pages.Make(bytes, number, look);
            if (!PageCodecs.TryCompress(compression, page, bytes - 256, out var codec, out var stored))
            {
                Assert.Equal(Look.Random, look);
                return;
            }
            Assert.NotEqual(Look.Random, look);
            var decoded = new byte[bytes];
            PageCodecs.Decode(codec, stored, decoded);
            Assert.Equal(page, decoded);
        }, iter: 200);
    }

    [Theory]
    [InlineData(PageCodec.Lz4)]
    [InlineData(PageCodec.Zstd)]
    [InlineData(PageCodec.Raw)]
    [InlineData(PageCodec.Same)]
    [InlineData((PageCodec)9)]
    public void Bytes_that_are_no_page_are_an_error_and_nothing_else(PageCodec codec)
    {
        var page = new byte[4096];
        Assert.Throws<InvalidDataException>(() => PageCodecs.Decode(codec, Pages.Make(1000, 7, Look.Random), page));
        Assert.Throws<InvalidDataException>(() => PageCodecs.Decode(codec, Pages.Make(1000, 7, Look.Random), page.Length, new ArrayBufferWriter<byte>()));
    }
}
