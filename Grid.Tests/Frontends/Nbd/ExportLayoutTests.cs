using CsCheck;
using Grid.Client;
using Grid.Node.Frontends.Nbd;
using Grid.Protocol;
using Xunit;

namespace Grid.Tests.Frontends.Nbd;

public sealed class ExportLayoutTests
{
    [Fact]
    public void Pieces_cover_a_range_exactly_and_each_lies_in_one_object_and_one_batch()
    {
        Gen.Select(Gen.Int[12, 16], Gen.Long[0, 1L << 40], Gen.Int[1, 70 << 20]).Sample((shift, offset, length) =>
        {
            var layout = new ExportLayout(1 << shift);
            var at = 0L;
            foreach (var piece in layout.Split(offset, length, layout.BatchPages))
            {
                Assert.Equal(at, piece.At);
                var begin = ((long)piece.Object.Word1 * NbdExport.ObjectBytes) + (piece.First * (long)layout.PageBytes) + piece.Skip;
                Assert.Equal(offset + at, begin);
                Assert.InRange(piece.Pages, 1, Math.Min(ProtocolLimits.MaxBatchPages, ProtocolLimits.MaxBatchBytes / layout.PageBytes));
                Assert.InRange(piece.First + piece.Pages, 1, NbdExport.ObjectBytes / layout.PageBytes);
                var inPiece = 0;
                for (var page = 0; page < piece.Pages; page++)
                {
                    var overlap = piece.Overlap(page, layout.PageBytes);
                    Assert.Equal(inPiece, overlap.InPiece);
                    Assert.Equal(overlap.Bytes < layout.PageBytes, piece.Cuts(page, layout.PageBytes));
                    Assert.True(overlap.Bytes > 0 && overlap.InPage + overlap.Bytes <= layout.PageBytes);
                    inPiece += overlap.Bytes;
                }

                Assert.Equal(piece.Bytes, inPiece);
                at += piece.Bytes;
            }

            Assert.Equal(length, at);
        });
    }
}
