using System.Buffers;
using Grid.Client;
using Grid.Node.Frontends.Nbd;
using Grid.Node.Frontends.Nbd.Origins;
using Grid.Tests.Harness;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;
using Xunit.Abstractions;
using static Grid.Tests.Frontends.Nbd.NbdBytes;

namespace Grid.Tests.Frontends.Nbd.Origins;

/// <summary>Servers that get much wrong: the node's client ends the connection or answers the request, and never throws anything else or calls a read done that is not.</summary>
public sealed class OriginFuzzTests(ITestOutputHelper output)
{
    private const int Sessions = 200_000;
    private const byte Untouched = 0xA5;
    private const uint Context = 7;

    [Fact]
    public void Two_hundred_thousand_mutated_answers_end_in_an_error_or_in_all_of_the_bytes()
    {
        var random = new Random(Seeds.Next(output));
        var (right, broken, failed, open) = (0, 0, 0, 0);
        for (var i = 0; i < Sessions; i++)
        {
            var structured = random.Next(4) > 0;
            var requests = Enumerable.Range(1, random.Next(1, 5)).ToDictionary(cookie => (ulong)cookie, _ => NextRequest(random));
            var answers = requests.OrderBy(_ => random.Next()).SelectMany(request => Answer(random, request.Key, request.Value, structured)).ToArray();
            var isMutated = random.Next(4) > 0;
            if (isMutated) answers = Mutate(random, answers);
            var waiting = requests.ToDictionary();
            var replies = new OriginReplies(new OriginTerms(1 << 20, default, structured, Context, 1, 32 << 20), cookie => waiting.GetValueOrDefault(cookie), cookie => waiting.Remove(cookie));
            try
            {
                var pending = Array.Empty<byte>();
                for (var at = 0; at < answers.Length;)
                {
                    var next = Math.Min(answers.Length, at + random.Next(1, 3000));
                    var input = new ReadOnlySequence<byte>([.. pending, .. answers.AsSpan(at, next - at)]);
                    replies.Read(ref input);
                    pending = input.ToArray();
                    at = next;
                }

                Assert.True(isMutated || waiting.Count == 0, "right answers were not understood");
            }
            catch (NbdPeerException e)
            {
                Assert.True(isMutated, $"right answers are called wrong: {e.Message}");
                broken++;
            }

            foreach (var request in requests.Values)
            {
                if (!request.Answered.IsCompleted) open++;
                else if (request.Answered.IsFaulted) failed++;
                else
                {
                    right++;
                    // Every byte was written, whatever to: bytes that are wrong in themselves nobody can tell. The test's bytes are never those of an untouched buffer.
                    if (request.Command == NbdCommand.Read && !isMutated) Assert.Equal(Enumerable.Range(0, (int)request.LengthBytes).Select(at => Byte(request.Offset + at)), request.Destination.ToArray());
                    if (request.Command == NbdCommand.Read) Assert.True(request.Destination.ToArray().Count(value => value == Untouched) < 40, "a read is called done that is not");
                    if (request.Command == NbdCommand.BlockStatus) Assert.InRange(request.Extents.Sum(extent => extent.LengthBytes), 1, request.LengthBytes);
                }
            }
        }

        output.WriteLine($"{right} answered, {failed} failed, {open} open; {broken} connections ended");
        Assert.InRange(broken, Sessions / 10, Sessions);
        Assert.InRange(right, Sessions / 2, Sessions * 4);
    }

    [Fact]
    public async Task A_live_client_of_a_mutating_server_gets_bytes_or_errors_and_recovers_when_it_behaves()
    {
        const int Bytes = 1 << 20;
        var random = new Random(Seeds.Next(output));
        var isWild = false;
        await using var server = new OriginServer(Bytes);
        random.NextBytes(server.Content);
        server.Mangle = bytes =>
        {
            lock (random) return Volatile.Read(ref isWild) && random.Next(20) == 0 ? Mutate(random, bytes) : bytes;
        };
        using var origin = await NbdDeviceOrigin.OpenAsync(new NbdOrigin(server.Uri), true, TimeSpan.FromSeconds(10), NullLogger.Instance, default);
        Volatile.Write(ref isWild, true);
        using var done = new CancellationTokenSource(TimeSpan.FromSeconds(8));
        var (answered, failed) = (0, 0);
        await Task.WhenAll(Enumerable.Range(0, 16).Select(asker => Task.Run(async () =>
        {
            var choice = new Random(asker);
            while (!done.IsCancellationRequested)
            {
                var clock = new RequestClock(TimeSpan.FromMilliseconds(500));
                try
                {
                    var at = choice.Next(Bytes / 4096) * 4096;
                    if (choice.Next(4) == 0) await origin.WriteAsync(at, server.Content.AsMemory(at, 4096), clock);
                    else await origin.ReadAsync(at, new byte[4096], clock, default);
                    Interlocked.Increment(ref answered);
                }
                catch (NbdException)
                {
                    Interlocked.Increment(ref failed);
                }
            }
        })));
        output.WriteLine($"{answered} answered, {failed} failed");
        Assert.InRange(answered, 20, int.MaxValue);
        Volatile.Write(ref isWild, false);
        server.Cut();
        for (var at = 0; at < Bytes; at += 65536)
        {
            var read = new byte[65536];
            await origin.ReadAsync(at, read, new RequestClock(TimeSpan.FromSeconds(20)), default);
            PoolAssertions.AssertSame(server.Content.AsSpan(at, 65536), read, $"bytes at {at}");
        }
    }

    private static OriginRequest NextRequest(Random random)
    {
        var (offset, length) = (random.Next(0, 1000) * 512, (uint)(random.Next(1, 16) * 512));
        var buffer = new byte[length];
        buffer.AsSpan().Fill(Untouched);
        return random.Next(5) switch
        {
            0 => new OriginRequest(NbdCommand.Write, CommandFlags.None, offset, length),
            1 => new OriginRequest(NbdCommand.BlockStatus, CommandFlags.None, offset, length),
            _ => new OriginRequest(NbdCommand.Read, CommandFlags.None, offset, length) { Destination = buffer },
        };
    }

    private static byte Byte(long offset) => (offset / 512 % 3) == 0 ? (byte)0 : (byte)((offset * 7) % 160);

    private static IEnumerable<byte> Answer(Random random, ulong cookie, OriginRequest request, bool structured)
    {
        var bytes = Enumerable.Range(0, (int)request.LengthBytes).Select(at => Byte(request.Offset + at)).ToArray();
        if (!structured && request.Command == NbdCommand.BlockStatus) return [.. Big(NbdMagic.SimpleReply), .. Big(22u), .. Big(cookie)];
        if (random.Next(10) == 0) return structured
            ? Chunk(cookie, ChunkType.Error, true, [.. Big(5u), .. Big((ushort)2), .. "no"u8])
            : [.. Big(NbdMagic.SimpleReply), .. Big(5u), .. Big(cookie)];
        if (!structured || (request.Command == NbdCommand.Write && random.Next(2) == 0)) return [.. Big(NbdMagic.SimpleReply), .. Big(0u), .. Big(cookie), .. request.Command == NbdCommand.Read ? bytes : []];
        if (request.Command == NbdCommand.Write) return Chunk(cookie, ChunkType.None, true, []);
        if (request.Command == NbdCommand.BlockStatus) return Chunk(cookie, ChunkType.BlockStatus, true, [.. Big(Context), .. Big(512u), .. Big(0u), .. Big(1u << 20), .. Big(3u)]);
        var sectors = Enumerable.Range(0, bytes.Length / 512).OrderBy(_ => random.Next()).ToArray();
        return [.. sectors.SelectMany(sector => Sector(cookie, request, bytes, sector)), .. Chunk(cookie, ChunkType.None, true, [])];
    }

    private static byte[] Sector(ulong cookie, OriginRequest request, byte[] bytes, int sector)
    {
        var part = bytes.AsSpan(sector * 512, 512);
        var offset = Big((ulong)(request.Offset + (sector * 512)));
        return part.ContainsAnyExcept((byte)0) ? Chunk(cookie, ChunkType.OffsetData, false, [.. offset, .. part]) : Chunk(cookie, ChunkType.OffsetHole, false, [.. offset, .. Big(512u)]);
    }

    private static byte[] Chunk(ulong cookie, ChunkType type, bool isLast, byte[] payload) =>
        [.. Big(NbdMagic.StructuredReply), .. Big((ushort)(isLast ? 1 : 0)), .. Big((ushort)type), .. Big(cookie), .. Big((uint)payload.Length), .. payload];

    /// <summary>Flips bits, cuts and doubles bytes; mostly where headers begin.</summary>
    private static byte[] Mutate(Random random, byte[] bytes)
    {
        for (var i = random.Next(1, 4); i > 0 && bytes.Length > 1; i--)
        {
            var at = random.Next(random.Next(2) == 0 ? Math.Min(64, bytes.Length) : bytes.Length);
            switch (random.Next(5))
            {
                case 0:
                    bytes = [.. bytes[..at], .. bytes[Math.Min(bytes.Length, at + random.Next(1, 30))..]];
                    break;
                case 1:
                    bytes = [.. bytes[..at], .. bytes[Math.Max(0, at - random.Next(30))..]];
                    break;
                default:
                    bytes = [.. bytes];
                    bytes[at] ^= (byte)(1 << random.Next(8));
                    break;
            }
        }

        return bytes;
    }
}
