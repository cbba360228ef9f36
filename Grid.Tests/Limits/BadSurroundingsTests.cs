using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Grid.Client;
using Grid.Protocol;
using Grid.Tests.Harness;
using Xunit;
using Xunit.Abstractions;

namespace Grid.Tests.Limits;

/// <summary>A full disk, damaged files, ports and folders that cannot be had.</summary>
public sealed class BadSurroundingsTests(ITestOutputHelper output)
{
    private static readonly PoolOptions Vault = new() { Kind = PoolKind.Persistent };

    [Fact]
    public async Task A_full_disk_fails_puts_loses_nothing_acknowledged_shows_in_readiness_and_heals()
    {
        // The limit on file sizes stands in for the disk's end: the kernel refuses to let the journal's files grow. As on a full disk, the write fails and the process goes on.
        await using var node = await NodeProcess.StartAsync(NodeSetup.Default with { ShellPrelude = "trap '' XFSZ" }, output);
        await using var client = await node.ConnectAsync(timeout: "5s");
        var pool = await client.CreatePoolAsync("vault", Vault);
        var stored = new Dictionary<uint, ulong>();
        for (var i = 0u; i < 50; i++)
        {
            await pool.StoreAsync(IdOf(i), i, PageBytes.Random(i));
            stored[i] = i;
        }

        Assert.Equal(200, (await node.HttpGetAsync("/health/ready")).Status);
        await LimitFileSizeAsync(node, new DirectoryInfo(node.DataDirectory).EnumerateFiles("*", SearchOption.AllDirectories).Max(file => file.Length) + (1 << 20));
        var doubtful = new HashSet<uint>();
        GridException? failure = null;
        for (var i = 50u; i < 20_000 && failure is null; i++)
        {
            try
            {
                await pool.StoreAsync(IdOf(i), i, PageBytes.Random(i));
                stored[i] = i;
            }
            catch (GridException e)
            {
                failure = e;
                doubtful.Add(i);
            }
        }

        Assert.NotNull(failure);
        output.WriteLine($"after {stored.Count} puts: {failure.Outcome}: {failure.Message}");
        var (status, body) = (0, "");
        await Eventually.TrueAsync(
            async () => ((status, body) = await node.HttpGetAsync("/health/ready")).status == 503, "/health/ready says that the journal fails", TimeSpan.FromSeconds(20), () => $"{status} {body}");
        Assert.Contains("journal", body, StringComparison.OrdinalIgnoreCase);
        // What is in memory goes on being served.
        await pool.AssertHoldsAsync(IdOf(1), 1, PageBytes.Random(1));

        await LimitFileSizeAsync(node, null);
        await Eventually.TrueAsync(
            async () =>
            {
                try
                {
                    return (await pool.PutAsync(IdOf(0), 100_000, PageBytes.Random(100_000))).Stored;
                }
                catch (GridException e)
                {
                    output.WriteLine($"not yet: {e.Outcome}: {e.Message}");
                    return false;
                }
            },
            "puts are stored again",
            TimeSpan.FromSeconds(30));
        stored[100_000] = 100_000;
        await Eventually.TrueAsync(async () => (await node.HttpGetAsync("/health/ready")).Status == 200, "/health/ready is well again", TimeSpan.FromSeconds(20));
        await VerifyAsync(pool, stored, doubtful);

        await node.Kill9Async();
        await node.RestartAsync();
        await using var again = await node.ConnectAsync();
        await VerifyAsync(await again.OpenPoolAsync("vault"), stored, doubtful);
    }

    [Fact]
    public async Task A_flipped_bit_in_the_journal_is_an_error_that_names_the_handle_and_other_pages_are_fine()
    {
        await using var node = await NodeProcess.StartAsync(output: output);
        var (victim, other) = (Names.Object(), Names.Object());
        Handle handle;
        await using (var client = await node.ConnectAsync())
        {
            var pool = await client.CreatePoolAsync("vault", Vault);
            handle = new Handle(pool.Id, victim, 7);
            for (var i = 0u; i < 20; i++)
            {
                await pool.StoreAsync(victim, i, PageBytes.Random(1000 + i));
                await pool.StoreAsync(other, i, PageBytes.Random(2000 + i));
            }
        }

        Assert.Equal(0, await node.TerminateAsync());
        var flipped = FlipBitOf(node.DataDirectory, PageBytes.Random(1007));
        Assert.True(flipped > 0, "the page's bytes were found in no file");

        await node.RestartAsync();
        await using var again = await node.ConnectAsync();
        var reopened = await again.OpenPoolAsync("vault");
        var buffer = new byte[4096];
        for (var attempt = 0; attempt < 2; attempt++)
        {
            var error = await Assert.ThrowsAsync<PageCorruptException>(async () => await reopened.GetAsync(victim, 7, buffer));
            Assert.Contains(handle.ToString(), error.Message, StringComparison.Ordinal);
            Assert.True(buffer.All(value => value == 0), "bytes of a damaged page were handed out");
        }

        for (var i = 0u; i < 20; i++)
        {
            await reopened.AssertHoldsAsync(other, i, PageBytes.Random(2000 + i));
            if (i != 7) await reopened.AssertHoldsAsync(victim, i, PageBytes.Random(1000 + i));
        }

        // A new put or a flush makes the handle whole again.
        await reopened.StoreAsync(victim, 7, PageBytes.Random(3));
        await reopened.AssertHoldsAsync(victim, 7, PageBytes.Random(3));
    }

    [Theory, InlineData("grid.gateway.port"), InlineData("grid.admin.port"), InlineData("grid.cluster.port")]
    public async Task A_port_in_use_is_one_clear_line_and_a_non_zero_exit_code(string setting)
    {
        using var occupier = new TcpListener(IPAddress.Loopback, 0);
        occupier.Start();
        var port = ((IPEndPoint)occupier.LocalEndpoint).Port.ToString(CultureInfo.InvariantCulture);
        var (exitCode, standardOut, standardError) = await NodeProcess.RunToExitAsync(NodeSetup.Default.With(setting, port), TimeSpan.FromSeconds(60));
        Assert.NotEqual(0, exitCode);
        AssertOneClearLine(standardOut, standardError, port);
    }

    [Fact]
    public async Task A_data_directory_that_cannot_be_made_is_one_clear_line_and_a_non_zero_exit_code()
    {
        using var folder = new TestFolder();
        var file = folder.Combine("file");
        await File.WriteAllTextAsync(file, "in the way");
        // Below a file no folder can be made, whoever runs the test.
        var directory = Path.Combine(file, "data");
        var (exitCode, standardOut, standardError) = await NodeProcess.RunToExitAsync(NodeSetup.Default with { DataDirectory = directory }, TimeSpan.FromSeconds(60));
        Assert.NotEqual(0, exitCode);
        AssertOneClearLine(standardOut, standardError, directory);
    }

    private static void AssertOneClearLine(string[] standardOut, string[] standardError, string names)
    {
        var lines = standardError.Where(line => line.Length > 0).ToArray();
        Assert.True(lines.Length == 1, $"{lines.Length} lines on standard error:\n{string.Join('\n', lines)}");
        Assert.Contains(names, lines[0], StringComparison.Ordinal);
        Assert.DoesNotContain(standardOut, line => line.Contains("Exception", StringComparison.Ordinal) || line.TrimStart().StartsWith("at ", StringComparison.Ordinal));
    }

    private static ObjectId IdOf(uint i) => ObjectId.FromUInt64(i % 10);

    private static async Task VerifyAsync(Pool pool, Dictionary<uint, ulong> stored, HashSet<uint> doubtful)
    {
        foreach (var (index, number) in stored) await pool.AssertHoldsAsync(IdOf(index), index, PageBytes.Random(number));
        foreach (var index in doubtful)
        {
            var (hit, page, _) = await pool.ReadAsync(IdOf(index), index);
            if (hit) PoolAssertions.AssertSame(PageBytes.Random(index), page, $"{index}");
        }
    }

    /// <summary>Flips a bit of the page wherever the files of the folder hold it; how often that was.</summary>
    private static int FlipBitOf(string folder, byte[] page)
    {
        var flipped = 0;
        foreach (var file in Directory.EnumerateFiles(folder, "*", SearchOption.AllDirectories))
        {
            var bytes = File.ReadAllBytes(file);
            var before = flipped;
            // SQLite cuts a row into its own pages: look for several pieces, one of which lies whole.
            foreach (var piece in (int[])[1000, 2000, 3000])
            {
                var at = bytes.AsSpan().IndexOf(page.AsSpan(piece, 64));
                if (at < 0) continue;
                bytes[at + 5] ^= 0x10;
                flipped++;
                break;
            }

            if (flipped > before) File.WriteAllBytes(file, bytes);
        }

        return flipped;
    }

    private static async Task LimitFileSizeAsync(NodeProcess node, long? bytes)
    {
        var soft = bytes?.ToString(CultureInfo.InvariantCulture) ?? "unlimited";
        using var prlimit = Process.Start("prlimit", ["--pid", $"{node.Pid}", $"--fsize={soft}:unlimited"]);
        await prlimit.WaitForExitAsync();
        Assert.Equal(0, prlimit.ExitCode);
    }
}
