using Grid.Client;
using Xunit;

namespace Grid.Tests.Client;

/// <summary>Connection strings: what they can say, and that nonsense is refused by name.</summary>
public sealed class ConnectionStringTests
{
    [Fact]
    public void Everything_it_can_say_is_read()
    {
        var options = GridClientOptions.Parse(
            "grid://one:7001,10.0.0.2,[::1]:7003?tenant=a%26b&credential=s%3Dx&member=m&timeout=250ms&connect-timeout=2m&window=64&single-address=true");
        Assert.Equal(["one:7001", "10.0.0.2:7070", "[::1]:7003"], options.Addresses);
        Assert.Equal(("a&b", "s=x", "m"), (options.Tenant, options.Credential, options.Member));
        Assert.Equal((TimeSpan.FromMilliseconds(250), TimeSpan.FromMinutes(2)), (options.Timeout, options.ConnectTimeout));
        Assert.Equal((64, true), (options.WindowRequests, options.SingleAddress));
        Assert.Equal(Timeout.InfiniteTimeSpan, GridClientOptions.Parse("grid://h?timeout=infinite").Timeout);
    }

    [Fact]
    public void What_it_does_not_say_has_defaults()
    {
        var options = GridClientOptions.Parse("grid://localhost:7070");
        Assert.Equal(("default", "", "default"), (options.Tenant, options.Credential, options.Member));
        Assert.Equal((TimeSpan.FromSeconds(5), TimeSpan.FromSeconds(5), 1024, false), (options.Timeout, options.ConnectTimeout, options.WindowRequests, options.SingleAddress));
    }

    [Theory]
    [InlineData("redis://h:1", "grid://")]
    [InlineData("grid://", "no address")]
    [InlineData("grid://h:0", "'h:0'")]
    [InlineData("grid://h:65536", "'h:65536'")]
    [InlineData("grid://h:x", "'h:x'")]
    [InlineData("grid://h,,i", "''")]
    [InlineData("grid://[::1:70", "'[::1:70'")]
    [InlineData("grid://h?colour=red", "'colour'")]
    [InlineData("grid://h?timeout", "'timeout'")]
    [InlineData("grid://h?timeout=5", "'timeout=5'")]
    [InlineData("grid://h?timeout=0s", "'timeout=0s'")]
    [InlineData("grid://h?timeout=-1s", "'timeout=-1s'")]
    [InlineData("grid://h?timeout=99999m", "'timeout=99999m'")]
    [InlineData("grid://h?connect-timeout=infinite", "'connect-timeout=infinite'")]
    [InlineData("grid://h?window=0", "'window=0'")]
    [InlineData("grid://h?window=65536", "'window=65536'")]
    [InlineData("grid://h?single-address=yes", "'single-address=yes'")]
    [InlineData("grid://h?tenant=", "'tenant'")]
    [InlineData("grid://h?window=1&window=2", "'window'")]
    public void Nonsense_is_refused_by_name(string text, string named)
    {
        var refusal = Assert.Throws<ArgumentException>(() => GridClientOptions.Parse(text));
        Assert.Contains(named, refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void No_text_shows_the_credential()
    {
        Assert.DoesNotContain("hunter2", GridClientOptions.Parse("grid://h?credential=hunter2").ToString(), StringComparison.Ordinal);
        var refusal = Assert.Throws<ArgumentException>(() => GridClientOptions.Parse("grid://h?credential=hunter2&credential=hunter2"));
        Assert.DoesNotContain("hunter2", refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Options_out_of_range_are_refused_before_anything_is_tried()
    {
        var good = GridClientOptions.Parse("grid://127.0.0.1:1");
        await Refused(good with { Addresses = [] }, "Addresses");
        await Refused(good with { Addresses = ["nowhere:x"] }, "nowhere:x");
        await Refused(good with { Timeout = TimeSpan.Zero }, "Timeout");
        await Refused(good with { ConnectTimeout = TimeSpan.FromDays(2) }, "ConnectTimeout");
        await Refused(good with { WindowRequests = 0 }, "WindowRequests");
        await Refused(good with { WindowBytes = 0 }, "WindowBytes");
        await Refused(good with { Tenant = "" }, "Tenant");
        await Refused(good with { Member = new string('m', 5000) }, "Member");
        Assert.Throws<ArgumentOutOfRangeException>(() => new CallOptions { Timeout = TimeSpan.FromSeconds(-2) });
    }

    private static async Task Refused(GridClientOptions options, string named)
    {
        var refusal = await Assert.ThrowsAnyAsync<ArgumentException>(async () => await GridClient.ConnectAsync(options));
        Assert.Contains(named, refusal.Message, StringComparison.Ordinal);
    }
}
