using Grid.Protocol;
using Xunit;

namespace Grid.Tests.Protocol;

public sealed class PoolOptionsTests
{
    [Fact]
    public void The_defaults_are_an_ephemeral_private_pool_of_4_KiB_pages()
    {
        var options = new PoolOptions();
        Assert.Null(options.Validate());
        Assert.Equal((PoolKind.Ephemeral, PoolSharing.Private, 4096, PageCompression.None, 0UL),
            (options.Kind, options.Sharing, options.PageSizeBytes, options.Compression, options.QuotaPages));
    }

    [Theory]
    [InlineData(4096)]
    [InlineData(8192)]
    [InlineData(16384)]
    [InlineData(32768)]
    [InlineData(65536)]
    public void Powers_of_two_from_4_to_64_KiB_are_page_sizes(int bytes) => Assert.Null(new PoolOptions { PageSizeBytes = bytes }.Validate());

    [Theory]
    [InlineData(int.MinValue)]
    [InlineData(-4096)]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2048)]
    [InlineData(4095)]
    [InlineData(4097)]
    [InlineData(12288)]
    [InlineData(65537)]
    [InlineData(131072)]
    [InlineData(int.MaxValue)]
    public void Other_page_sizes_are_refused_by_name(int bytes) =>
        Assert.Contains($"page size {bytes}", new PoolOptions { PageSizeBytes = bytes }.Validate(), StringComparison.Ordinal);

    [Fact]
    public void Unknown_kinds_sharings_and_compressions_are_refused_by_name()
    {
        Assert.Contains("pool kind 2", new PoolOptions { Kind = (PoolKind)2 }.Validate(), StringComparison.Ordinal);
        Assert.Contains("pool sharing 2", new PoolOptions { Sharing = (PoolSharing)2 }.Validate(), StringComparison.Ordinal);
        Assert.Contains("compression 3", new PoolOptions { Compression = (PageCompression)3 }.Validate(), StringComparison.Ordinal);
    }

    [Fact]
    public void Only_a_get_in_an_ephemeral_private_pool_takes_by_default()
    {
        foreach (var kind in Enum.GetValues<PoolKind>())
            foreach (var sharing in Enum.GetValues<PoolSharing>())
                Assert.Equal(
                    kind == PoolKind.Ephemeral && sharing == PoolSharing.Private,
                    new PoolOptions { Kind = kind, Sharing = sharing }.GetTakesByDefault);
    }

    [Theory]
    [InlineData("a")]
    [InlineData("vault")]
    [InlineData("Team-7_cache.v2:main")]
    public void Names_of_letters_digits_and_a_few_signs_are_allowed(string name) => Assert.Null(PoolOptions.ValidateName(name));

    [Theory]
    [InlineData("", "empty")]
    [InlineData("a b", "' '")]
    [InlineData("a/b", "'/'")]
    [InlineData("ä", "U+00E4")]
    [InlineData("a\n", "U+000A")]
    [InlineData("a\0", "U+0000")]
    [InlineData("\u001b[31m", "U+001B")]
    public void Other_names_are_refused_without_repeating_what_could_steer_a_terminal(string name, string told)
    {
        var wrong = PoolOptions.ValidateName(name);
        Assert.Contains(told, wrong, StringComparison.Ordinal);
        Assert.All(wrong!, c => Assert.InRange(c, ' ', '~'));
    }

    [Fact]
    public void A_name_has_128_bytes_at_most()
    {
        Assert.Null(PoolOptions.ValidateName(new string('x', PoolOptions.MaxNameBytes)));
        Assert.Contains("129", PoolOptions.ValidateName(new string('x', PoolOptions.MaxNameBytes + 1)), StringComparison.Ordinal);
    }
}
