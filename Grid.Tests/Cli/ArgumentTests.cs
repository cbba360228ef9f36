using Grid.Cli;
using Grid.Cli.Commands;
using Grid.Protocol;
using Xunit;

namespace Grid.Tests.Cli;

public sealed class ArgumentTests
{
    [Theory]
    [InlineData("0", 0L)]
    [InlineData("4096", 4096L)]
    [InlineData("4KiB", 4096L)]
    [InlineData("4 kib", 4096L)]
    [InlineData("64K", 65536L)]
    [InlineData("1.5GiB", 1610612736L)]
    [InlineData("2T", 2199023255552L)]
    public void SizesAreReadInTheirUnits(string text, long bytes)
    {
        Assert.True(SizeText.TryParseBytes(text, out var read));
        Assert.Equal(bytes, read);
    }

    [Theory]
    [InlineData("")]
    [InlineData("KiB")]
    [InlineData("-1")]
    [InlineData("1.5")]
    [InlineData("4KB")]
    [InlineData("1e6")]
    [InlineData("99999999999TiB")]
    public void WhatIsNoSizeIsRefused(string text) => Assert.False(SizeText.TryParseBytes(text, out _));

    [Theory]
    [InlineData("1000", 4096, 1000UL)]
    [InlineData("1000 pages", 4096, 1000UL)]
    [InlineData("10MiB", 4096, 2560UL)]
    [InlineData("10MiB", 65536, 160UL)]
    [InlineData("0", 4096, 0UL)]
    public void QuotasArePagesOrSizes(string text, int pageSize, ulong pages)
    {
        Assert.True(SizeText.TryParseQuota(text, pageSize, out var read));
        Assert.Equal(pages, read);
    }

    [Fact]
    public void AQuotaBelowOnePageIsNotTakenForNone() => Assert.False(SizeText.TryParseQuota("1KiB", 4096, out _));

    [Theory]
    [InlineData("500ms", 500)]
    [InlineData("5", 5000)]
    [InlineData("1.5m", 90000)]
    [InlineData("1h", 3600000)]
    public void DurationsAreReadInTheirUnits(string text, int milliseconds)
    {
        Assert.True(SizeText.TryParseDuration(text, out var read));
        Assert.Equal(milliseconds, read.TotalMilliseconds);
    }

    [Theory]
    [InlineData("0")]
    [InlineData("-5s")]
    [InlineData("5 days")]
    [InlineData("")]
    [InlineData("1000h")]
    public void WhatIsNoDurationIsRefused(string text) => Assert.False(SizeText.TryParseDuration(text, out _));

    [Fact]
    public void ObjectsAreDigitsNumbersOrNames()
    {
        var id = new ObjectId(1, 2, 3);
        Assert.True(ObjectName.TryParse(id.ToString(), out var read));
        Assert.Equal(id, read);
        Assert.True(ObjectName.TryParse("17", out read));
        Assert.Equal(ObjectId.FromUInt64(17), read);
        Assert.True(ObjectName.TryParse("0x11", out read));
        Assert.Equal(ObjectId.FromUInt64(17), read);
        Assert.True(ObjectName.TryParse("name:motd", out read));
        Assert.Equal(ObjectName.OfName("motd"), read);
        Assert.NotEqual(ObjectName.OfName("Motd"), read);
        foreach (var wrong in new[] { "", "name:", "-1", "zz", "1.5", new string('f', 47), new string('f', 49) })
            Assert.False(ObjectName.TryParse(wrong, out _), wrong);
    }

    [Fact]
    public void APageIsExactlyAsLongAsThePoolsPages()
    {
        Assert.Equal(4096, PageInput.Fit(new byte[4096], 4096, pad: false).Length);
        Assert.Equal(4096, PageInput.Fit([1, 2], 4096, pad: true).Length);
        Assert.Equal(ExitCodes.Usage, Assert.Throws<CliException>(() => PageInput.Fit([1, 2], 4096, pad: false)).ExitCode);
        Assert.Equal(ExitCodes.Usage, Assert.Throws<CliException>(() => PageInput.Fit(new byte[4097], 4096, pad: true)).ExitCode);
    }

    [Fact]
    public void ADumpShowsEqualLinesOnce()
    {
        var page = new byte[64];
        "hello"u8.CopyTo(page);
        Assert.Equal(
            "00000000  68 65 6c 6c 6f 00 00 00  00 00 00 00 00 00 00 00  |hello...........|\n00000010  00 00 00 00 00 00 00 00  00 00 00 00 00 00 00 00  |................|\n*\n00000040\n",
            PageOutput.Dump(page));
    }
}
