using System.Diagnostics;
using Grid.Node.Frontends.Nbd;
using Grid.Tests.Harness;
using Xunit;
using Xunit.Abstractions;
using static Grid.Tests.Frontends.Nbd.NbdBytes;

namespace Grid.Tests.Frontends.Nbd;

/// <summary>A live server under mutated sessions: the same process goes on serving, in its memory, and another client notices nothing.</summary>
public sealed class LiveFuzzTests(NbdNode shared, ITestOutputHelper output) : NbdTest(shared, output)
{
    private const int Connections = 8;
    private static readonly TimeSpan Duration = TimeSpan.FromSeconds(8);

    [Fact]
    public async Task Mutated_sessions_leave_the_server_healthy_and_other_clients_untouched()
    {
        var seed = Seeds.Next(Output);
        var (_, good) = await NewExportAsync(4 << 20);
        var (_, target) = await NewExportAsync(4 << 20);
        using var done = new CancellationTokenSource();
        var bystander = WellBehavedAsync(good, () => done.IsCancellationRequested);
        var clock = Stopwatch.StartNew();
        var sessions = await Task.WhenAll(Enumerable.Range(0, Connections).Select(i => Task.Run(() => FuzzAsync(new SessionMutator(seed + i, [target], 4 << 20), clock))));
        Output.WriteLine($"{sessions.Sum()} sessions in {clock.Elapsed.TotalSeconds:0.0} s; RSS at most {Shared.Node.PeakRssBytes() >> 20} MiB");
        await done.CancelAsync();
        Assert.True(await bystander > 0);
        Assert.InRange(sessions.Sum(), 200, int.MaxValue);
        Assert.False(Shared.Node.HasExited);
        Assert.Equal(200, (await Shared.Node.HttpGetAsync("/health/ready")).Status);
        await using var after = await NbdPeer.OpenAsync("127.0.0.1", Shared.Port, target);
        await after.WriteAtAsync(0, PageBytes.Random(9));
        Assert.Equal(PageBytes.Random(9), (await after.ReadAtAsync(0, 4096)).Data);
        Assert.DoesNotContain(Shared.Node.Log.Lines(), line => line.Contains("NBD", StringComparison.Ordinal) && line.Contains("Exception", StringComparison.Ordinal));
    }

    private async Task<int> FuzzAsync(SessionMutator mutator, Stopwatch clock)
    {
        var sessions = 0;
        for (; clock.Elapsed < Duration; sessions++)
        {
            await using var peer = await NbdPeer.OpenAsync("127.0.0.1", Shared.Port);
            try
            {
                await peer.SendAsync(sessions % 2 == 0 ? mutator.NextBroken() : [.. Flags(), .. mutator.NextFramed(out _).SelectMany(message => message)]);
            }
            catch (IOException)
            {
                // The server closed over the first half.
                continue;
            }

            // Some leave at once, with requests under way.
            if (sessions % 5 != 0) await peer.ReadToEndAsync();
        }

        return sessions;
    }

    private async Task<int> WellBehavedAsync(string export, Func<bool> done)
    {
        await using var peer = await NbdPeer.OpenAsync("127.0.0.1", Shared.Port, export);
        var rounds = 0;
        while (!done())
        {
            var page = PageBytes.Random((ulong)rounds);
            var at = (ulong)(rounds % 1000 * 4096) + 512;
            await peer.WriteAtAsync(at, page);
            Assert.Equal(page, (await peer.ReadAtAsync(at, 4096)).Data);
            rounds++;
        }

        Assert.Equal(NbdError.None, (await peer.AskAsync(NbdCommand.Flush, 0, 0)).Error);
        return rounds;
    }
}
