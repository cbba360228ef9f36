using Grid.Client;
using Grid.Protocol;
using Grid.Tests.Harness;
using Xunit;

namespace Grid.Tests.Traces;

/// <summary>
/// Replays a trace through the SDK. Steps that touch the same handle (or object, for a flush object; or pool, for its creation,
/// destruction and failed puts) happen in the trace's order; others overlap, up to a window. A window of 1 is the trace as it was recorded.
/// </summary>
internal sealed class TraceReplay(GridClient client, string prefix, int window)
{
    private readonly Dictionary<int, Pool> _pools = [];
    private readonly Dictionary<(int Pool, ObjectId Object), Dictionary<uint, Task>> _running = [];
    private readonly List<Task> _unfinished = [];

    public async Task RunAsync(IReadOnlyList<TraceStep> steps)
    {
        foreach (var step in steps)
        {
            switch (step.Op)
            {
                case "new_pool":
                    await SettleAsync();
                    _pools.Add(step.Pool, await client.CreatePoolAsync($"{prefix}-{step.Pool}", new PoolOptions
                    {
                        Kind = step.Persistent ? PoolKind.Persistent : PoolKind.Ephemeral,
                        Sharing = step.Shared ? PoolSharing.Shared : PoolSharing.Private,
                    }));
                    break;
                case "destroy_pool":
                    await SettleAsync();
                    Assert.True(await client.DestroyPoolAsync($"{prefix}-{step.Pool}"), step.ToString());
                    _pools.Remove(step.Pool);
                    break;
                case "put_fail":
                    await SettleAsync();
                    await PutIntoFrozenAsync(step);
                    break;
                case "flush_object":
                    await SettleAsync(step);
                    await FlushObjectAsync(step);
                    break;
                default:
                    await StartAsync(step);
                    break;
            }
        }

        await SettleAsync();
        Assert.Empty(_pools);
    }

    /// <summary>Starts a step on one page, after the one before it on the same page.</summary>
    private async Task StartAsync(TraceStep step)
    {
        if (!_running.TryGetValue((step.Pool, step.Object), out var pages)) _running.Add((step.Pool, step.Object), pages = []);
        if (pages.TryGetValue(step.Index, out var previous)) await previous;
        var task = step.Op switch
        {
            "put" => PutAsync(step),
            "get" => GetAsync(step),
            "flush_page" => FlushPageAsync(step),
            _ => throw new InvalidOperationException($"{step}: the format has no such operation"),
        };
        pages[step.Index] = task;
        _unfinished.Add(task);
        if (_unfinished.Count >= window) await SettleAsync();
    }

    private async Task SettleAsync()
    {
        await Task.WhenAll(_unfinished);
        _unfinished.Clear();
        _running.Clear();
    }

    private Task SettleAsync(TraceStep step) =>
        _running.Remove((step.Pool, step.Object), out var pages) ? Task.WhenAll(pages.Values) : Task.CompletedTask;

    private async Task PutAsync(TraceStep step)
    {
        var result = await _pools[step.Pool].PutAsync(step.Object, step.Index, TraceStep.PageOf(step.Data!.Value));
        Assert.True(result.Stored == step.Result, $"{step}: {result}");
    }

    private async Task PutIntoFrozenAsync(TraceStep step)
    {
        var pool = _pools[step.Pool];
        await client.FreezePoolAsync(pool.Name);
        var result = await pool.PutAsync(step.Object, step.Index, TraceStep.PageOf(step.Data!.Value));
        Assert.True(result is { Stored: false, Reason: RefusalReason.Frozen } && !step.Result, $"{step}: {result}");
        await client.ThawPoolAsync(pool.Name);
    }

    private async Task GetAsync(TraceStep step)
    {
        // The plain get: that it takes in private ephemeral pools and keeps elsewhere is what the traces show.
        var (hit, page, _) = await _pools[step.Pool].ReadAsync(step.Object, step.Index, GetMode.PoolDefault);
        Assert.True(hit == step.Found.HasValue, $"{step}: hit {hit}, Linux's tmem answered {step.Found?.ToString() ?? "a miss"}");
        var expected = step.Found is { } data ? TraceStep.PageOf(data) : PageBytes.Filled(0xA5A5A5A5A5A5A5A5);
        PoolAssertions.AssertSame(expected, page, step.ToString());
    }

    private async Task FlushPageAsync(TraceStep step)
    {
        var result = await _pools[step.Pool].FlushPageAsync(step.Object, step.Index);
        Assert.True(result.WasThere == step.Result, $"{step}: {result}");
    }

    private async Task FlushObjectAsync(TraceStep step)
    {
        var result = await _pools[step.Pool].FlushObjectAsync(step.Object);
        Assert.True(result.WasThere == step.Result, $"{step}: {result}");
    }
}
