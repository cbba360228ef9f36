using System.Globalization;
using System.Net;
using System.Net.NetworkInformation;
using Xunit;

namespace Grid.Tests.Chaos.Bed;

/// <summary>The network that the cluster is broken with does what it is told: a host in a namespace of its own, and pings to it.</summary>
[Collection(Harness.SeveralNodes.Name)]
public sealed class NetworkSwitchTests : IAsyncLifetime
{
    private const byte Here = 254;
    private const byte There = 1;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(1);
    private readonly NetworkSwitch _network = new(seed: 1);
    private readonly string _prefix = string.Create(CultureInfo.InvariantCulture, $"198.{18 + (Environment.ProcessId / 256 % 2)}.{Environment.ProcessId % 256}");
    private readonly string _name = string.Create(CultureInfo.InvariantCulture, $"gs{Environment.ProcessId}-");
    private NetworkNamespace? _namespace;

    public async Task InitializeAsync()
    {
        var (here, there) = (new Tun(_name + "h"), new Tun(_name + "t"));
        _network.Plug(here, Here);
        _network.Plug(there, There);
        await NetworkNamespace.UseAsync(here, $"{_prefix}.{Here}/24");
        _namespace = await NetworkNamespace.CreateAsync();
        await _namespace.AdoptAsync(there, $"{_prefix}.{There}/24");
    }

    public async Task DisposeAsync()
    {
        if (_namespace is not null) await _namespace.DisposeAsync();
        _network.Dispose();
        Assert.DoesNotContain(NetworkInterface.GetAllNetworkInterfaces(), one => one.Name.StartsWith(_name, StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_link_is_cut_in_one_direction_or_the_other_and_mended()
    {
        Assert.NotNull(await PingAsync());
        foreach (var (from, to) in ((byte From, byte To)[])[(Here, There), (There, Here)])
        {
            var passed = _network.Passed;
            _network.Set(from, to, LinkRule.Cut);
            Assert.Null(await PingAsync());
            // Where only the answer is cut, the question still arrives.
            Assert.Equal(from == There ? 1 : 0, _network.Passed - passed);
            _network.Heal();
            Assert.NotNull(await PingAsync());
        }
    }

    [Fact]
    public async Task Packets_are_late_and_keep_their_order()
    {
        _network.SetBoth(Here, There, new LinkRule { Delay = TimeSpan.FromMilliseconds(100), Jitter = TimeSpan.FromMilliseconds(50) });
        for (var i = 0; i < 5; i++) Assert.InRange((await PingAsync())!.Value.TotalMilliseconds, 99, 400);
    }

    [Fact]
    public async Task A_share_of_the_packets_is_lost()
    {
        _network.Set(Here, There, new LinkRule { Loss = 0.5 });
        var answers = await Task.WhenAll(Enumerable.Range(0, 60).Select(_ => PingAsync()));
        Assert.InRange(answers.Count(answer => answer is null), 12, 48);
    }

    [Fact]
    public async Task A_slow_link_passes_so_many_bytes_in_a_second()
    {
        _network.Set(Here, There, new LinkRule { BytesPerSecond = 10_000 });
        // Ten times about a thousand bytes: the last one arrives after about a second.
        var answers = await Task.WhenAll(Enumerable.Range(0, 10).Select(_ => PingAsync(bytes: 970, patience: TimeSpan.FromSeconds(5))));
        Assert.InRange(answers.Max()!.Value.TotalMilliseconds, 800, 2000);
    }

    /// <summary>How long an answer took; null: none came.</summary>
    private async Task<TimeSpan?> PingAsync(int bytes = 32, TimeSpan? patience = null)
    {
        using var ping = new Ping();
        var answer = await ping.SendPingAsync(IPAddress.Parse($"{_prefix}.{There}"), patience ?? Patience, new byte[bytes]);
        return answer.Status == IPStatus.Success ? TimeSpan.FromMilliseconds(answer.RoundtripTime) : null;
    }
}
