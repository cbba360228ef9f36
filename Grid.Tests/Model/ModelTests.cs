using CsCheck;
using Grid.Client;
using Grid.Protocol;
using Grid.Tests.Harness;
using Xunit;
using Xunit.Abstractions;

namespace Grid.Tests.Model;

/// <summary>Random sequences of operations against the reference, for the four kinds of pool. A failure prints its seed: docs/testing.md says how to replay it.</summary>
public abstract class ModelTests(SharedNode shared, ITestOutputHelper output) : SharedNodeTest(shared, output)
{
    [Theory, MemberData(nameof(Kinds.All), MemberType = typeof(Kinds))]
    public async Task Random_sequences_answer_as_the_reference_does(PoolKind kind, PoolSharing sharing)
    {
        var options = Gen.Select(
            Gen.Enum<PageCompression>(), Gen.Bool.Select(large => large ? 16384 : 4096), Gen.Int[0, 2].Select(choice => new ulong[] { 0, 3, 12 }[choice]),
            (compression, size, quota) => Kinds.Options(kind, sharing) with { Compression = compression, PageSizeBytes = size, QuotaPages = quota });
        await Gen.Select(options, Operation.Sequences(1, 20, 150, Operation.Ordinary)).SampleAsync(
            async (attributes, sequence) =>
            {
                var run = await PoolRun.CreateAsync(Client, attributes);
                foreach (var operation in sequence) await run.ApplyAsync(operation);
                await run.AuditAsync();
                await run.DestroyAsync();
            },
            Output.WriteLine,
            iter: 40,
            threads: 1,
            print: sample => $"{sample.Item1}\n{Operation.Print(sample.Item2)}");
    }

    public sealed class OnSqlite(SharedNode shared, ITestOutputHelper output) : ModelTests(shared, output);

    [Collection(OnSharedPostgresNode.Name)]
    public sealed class OnPostgreSql(SharedPostgresNode shared, ITestOutputHelper output) : ModelTests(shared, output);
}

/// <summary>The same with restarts between, and under want of memory, on nodes of their own.</summary>
public sealed class HardLifeModelTests(ITestOutputHelper output)
{
    private static readonly PoolOptions[] OneOfEachKind =
    [
        Kinds.Options(PoolKind.Ephemeral, PoolSharing.Private) with { QuotaPages = 12 },
        Kinds.Options(PoolKind.Ephemeral, PoolSharing.Shared) with { Compression = PageCompression.Zstd },
        Kinds.Options(PoolKind.Persistent, PoolSharing.Private) with { QuotaPages = 12 },
        Kinds.Options(PoolKind.Persistent, PoolSharing.Shared) with { Compression = PageCompression.Lz4 },
    ];

    [Fact]
    public async Task Random_sequences_with_kills_and_stops_answer_as_the_reference_does()
    {
        await using var node = await NodeProcess.StartAsync(output: output);
        // About four restarts in a sequence: each costs seconds, an operation a millisecond.
        var sequences = Operation.Sequences(OneOfEachKind.Length, 500, 600, [.. Operation.Ordinary.Select(entry => (entry.Weight * 3, entry.Kind)), (1, OperationKind.Kill), (1, OperationKind.Stop)]);
        await sequences.SampleAsync(
            sequence => RunWithRestartsAsync(node, sequence),
            output.WriteLine,
            iter: 2,
            threads: 1,
            print: Operation.Print);
    }

    [Fact]
    public async Task Random_sequences_under_memory_pressure_answer_as_the_reference_does()
    {
        await using var node = await NodeProcess.StartAsync(NodeSetup.WithMemoryLimit(96), output);
        await using var client = await node.ConnectAsync();
        var noise = await client.CreatePoolAsync("noise", Kinds.Options(PoolKind.Ephemeral, PoolSharing.Shared));
        var noiseNumber = 0ul;
        var sequences = Operation.Sequences(OneOfEachKind.Length, 200, 400, [.. Operation.Ordinary, (3, OperationKind.Pressure)]);
        await sequences.SampleAsync(
            async sequence =>
            {
                var runs = new List<PoolRun>();
                foreach (var options in OneOfEachKind) runs.Add(await PoolRun.CreateAsync(client, options, underPressure: true));
                foreach (var operation in sequence)
                {
                    if (operation.Kind == OperationKind.Pressure) noiseNumber = await MakeNoiseAsync(noise, noiseNumber, 8 << 20);
                    else await runs[operation.Pool].ApplyAsync(operation);
                }

                foreach (var run in runs)
                {
                    await run.AuditAsync();
                    await run.DestroyAsync();
                }
            },
            output.WriteLine,
            iter: 6,
            threads: 1,
            print: Operation.Print);
        Assert.True((await client.StatPoolAsync("noise")).Evictions > 0, "nothing was evicted: there was no pressure");
    }

    private static async Task RunWithRestartsAsync(NodeProcess node, Operation[] sequence)
    {
        var client = await node.ConnectAsync();
        var runs = new List<PoolRun>();
        foreach (var options in OneOfEachKind) runs.Add(await PoolRun.CreateAsync(client, options));
        foreach (var operation in sequence)
        {
            if (operation.Kind is not (OperationKind.Kill or OperationKind.Stop))
            {
                await runs[operation.Pool].ApplyAsync(operation);
                continue;
            }

            await client.DisposeAsync();
            if (operation.Kind == OperationKind.Kill) await node.Kill9Async();
            else Assert.Equal(0, await node.TerminateAsync());
            await node.RestartAsync();
            client = await node.ConnectAsync();
            foreach (var run in runs) await run.ReopenAsync(client);
        }

        foreach (var run in runs)
        {
            await run.AuditAsync();
            await run.DestroyAsync();
        }

        await client.DisposeAsync();
    }

    /// <summary>Puts so many bytes of incompressible pages, which push others out.</summary>
    private static async Task<ulong> MakeNoiseAsync(Pool noise, ulong number, int bytes)
    {
        const int PagesPerBatch = 128;
        var batch = new WriteBatch();
        for (var i = 0; i < bytes / PoolOptions.MinPageSizeBytes / PagesPerBatch; i++)
        {
            batch.Clear();
            for (var page = 0u; page < PagesPerBatch; page++) batch.Put(page, PageBytes.Random(number + page));
            await noise.WriteBatchAsync(ObjectId.FromUInt64(number), batch);
            number += PagesPerBatch;
        }

        return number;
    }
}
