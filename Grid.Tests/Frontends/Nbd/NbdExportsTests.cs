using Grid.Client;
using Grid.Protocol;
using Grid.Tests.Harness;
using Xunit;
using Xunit.Abstractions;

namespace Grid.Tests.Frontends.Nbd;

/// <summary>The definitions of exports.</summary>
public sealed class NbdExportsTests(NbdNode shared, ITestOutputHelper output) : NbdTest(shared, output)
{
    [Fact]
    public async Task An_export_is_made_listed_grown_and_removed_and_its_pages_outlive_it()
    {
        var name = Names.Unique("e");
        var made = await Exports.CreateAsync(name, 1 << 20, $"nbd-{name}", new PoolOptions { PageSizeBytes = 16384 });
        Assert.Equal(made, Assert.Single(await Exports.ListAsync(), export => export.Name == name));
        Assert.Equal((1 << 20, 16384, false), (made.SizeBytes, made.PageSizeBytes, made.ReadOnly));
        var grown = await Exports.ResizeAsync(name, 4 << 20);
        Assert.Equal(grown, Assert.Single(await Exports.ListAsync(), export => export.Name == name));
        Assert.Equal((made.Id, 4 << 20), (grown.Id, grown.SizeBytes));
        await Assert.ThrowsAsync<ArgumentException>(() => Exports.ResizeAsync(name, 1 << 20).AsTask());

        var pool = await Shared.Client.OpenPoolAsync(made.Pool);
        await pool.StoreAsync(NbdExport.ObjectOf(0), 0, PageBytes.Random(7, 16384));
        await Exports.RemoveAsync(name);
        Assert.DoesNotContain(await Exports.ListAsync(), export => export.Name == name);
        await Assert.ThrowsAsync<GridException>(() => Exports.RemoveAsync(name).AsTask());
        var again = await Exports.CreateAsync(name, 1 << 20, made.Pool);
        Assert.NotEqual(made.Id, again.Id);
        Assert.Equal(16384, again.PageSizeBytes);
        await pool.AssertHoldsAsync(NbdExport.ObjectOf(0), 0, PageBytes.Random(7, 16384));
    }

    [Fact]
    public async Task What_could_not_hold_the_device_is_refused_with_the_reason()
    {
        var (_, taken) = await NewExportAsync(1 << 20);
        var (cache, small) = (Names.Unique("cache"), Names.Unique("small"));
        await Shared.Client.CreatePoolAsync(cache, new PoolOptions());
        await Shared.Client.CreatePoolAsync(small, new PoolOptions { Kind = PoolKind.Persistent, QuotaPages = 256 });
        Assert.Contains("ephemeral", await RefusedAsync(Names.Unique("e"), 1 << 20, cache));
        Assert.Contains("quota", await RefusedAsync(Names.Unique("e"), (1 << 20) + 4096, small));
        Assert.Contains("multiple of the page size", await RefusedAsync(Names.Unique("e"), 1000, small));
        Assert.Contains("not 1 to", await RefusedAsync(Names.Unique("e"), 0, small));
        Assert.Contains("already", await RefusedAsync(taken, 1 << 20, small));
        Assert.Contains(taken, await RefusedAsync(Names.Unique("e"), 1 << 20, $"nbd-{taken}"));
        Assert.Contains("definitions", await RefusedAsync(Names.Unique("e"), 1 << 20, NbdExports.PoolName));
        Assert.Contains("name", await RefusedAsync("no/slash", 1 << 20, small));
        await Exports.CreateAsync(Names.Unique("e"), 1 << 20, small);
    }

    [Fact]
    public async Task Changes_at_the_same_time_are_one_after_the_other()
    {
        var name = Names.Unique("race");
        var attempts = await Task.WhenAll(Enumerable.Range(0, 8).Select(async i =>
        {
            try
            {
                await Exports.CreateAsync(name, (i + 1) << 20, $"{name}-{i}");
                return true;
            }
            catch (GridException e) when (e.Message.Contains("already", StringComparison.Ordinal))
            {
                return false;
            }
        }));
        Assert.Single(attempts, made => made);
        await Task.WhenAll(Enumerable.Range(10, 8).Select(async i =>
        {
            try
            {
                await Exports.ResizeAsync(name, i << 20);
            }
            catch (ArgumentException e) when (e.Message.Contains("shrink", StringComparison.Ordinal))
            {
                // A larger size came first.
            }
        }));
        Assert.Equal(17 << 20, Assert.Single(await Exports.ListAsync(), export => export.Name == name).SizeBytes);
    }

    [Fact]
    public async Task An_export_with_an_origin_is_made_sealed_once_grown_and_shares_its_pool()
    {
        var (name, pool) = (Names.Unique("e"), Names.Unique("cache"));
        var made = await Exports.CreateWithOriginAsync(name, new NbdOrigin("/no/such/file", IsBacking: true), 1 << 20, pool, new PoolOptions { PageSizeBytes = 8192 });
        Assert.Equal(made, Assert.Single(await Exports.ListAsync(), export => export.Name == name));
        Assert.Equal((new NbdOrigin("/no/such/file", true), "", 8192), (made.Origin, made.Seal, made.PageSizeBytes));
        var seals = await Task.WhenAll(Enumerable.Range(0, 5).Select(i => Exports.SealAsync(made.Id, $"seal {i}", 7 << 20, default).AsTask()));
        Assert.Single(seals.Select(seal => seal.Seal).Distinct());
        Assert.Equal(1 << 20, seals[0].SizeBytes);
        var grown = await Exports.ResizeAsync(name, 2 << 20);
        Assert.Equal((seals[0].Seal, 2 << 20), (grown.Seal, grown.SizeBytes));
        Assert.Equal(grown, Assert.Single(await Exports.ListAsync(), export => export.Name == name));

        var other = await Exports.CreateWithOriginAsync(Names.Unique("e"), new NbdOrigin("nbd://h:1/x"), 0, pool, readOnly: true);
        Assert.Equal((0, 8192), (other.SizeBytes, other.PageSizeBytes));
        Assert.Equal(5 << 20, (await Exports.SealAsync(other.Id, "seal", 5 << 20, default)).SizeBytes);
        await Assert.ThrowsAsync<ArgumentException>(() => Exports.ResizeAsync(other.Name, 6 << 20).AsTask());
        await Exports.CreateWithOriginAsync(Names.Unique("e"), new NbdOrigin("nbd://h:1/x"), 0, pool, readOnly: true);
        Assert.Equal(PoolKind.Ephemeral, (await Shared.Client.OpenPoolAsync(pool)).Info.Options.Kind);
    }

    [Fact]
    public async Task An_origin_that_makes_no_sense_is_refused_with_the_reason()
    {
        var (_, disk) = await NewExportAsync(1 << 20);
        var (cache, written) = (Names.Unique("cache"), Names.Unique("e"));
        await Exports.CreateWithOriginAsync(written, new NbdOrigin("/a/file"), 0, cache);
        Assert.Contains("absolute", await RefusedAsync(new NbdOrigin("a/file"), cache));
        Assert.Contains("neither a path nor", await RefusedAsync(new NbdOrigin("https://host/x"), cache));
        Assert.Contains("neither a path nor", await RefusedAsync(new NbdOrigin("nbds://host/x"), cache));
        Assert.Contains("is not nbd://HOST", await RefusedAsync(new NbdOrigin("nbd:///x"), cache));
        Assert.Contains("must be a file", await RefusedAsync(new NbdOrigin("nbd://host/x", IsBacking: true), cache));
        Assert.Contains("bytes", await RefusedAsync(new NbdOrigin("/" + new string('a', 3000)), cache));
        Assert.Contains("not 1 to", await RefusedAsync(new NbdOrigin("/b", IsBacking: true), cache));
        Assert.Contains(written, await RefusedAsync(new NbdOrigin("/a/file"), cache));
        Assert.Contains(disk, await RefusedAsync(new NbdOrigin("/c"), $"nbd-{disk}"));
        var (persistent, ephemeral) = (Names.Unique("p"), Names.Unique("p"));
        await Shared.Client.CreatePoolAsync(persistent, new PoolOptions { Kind = PoolKind.Persistent });
        await Shared.Client.CreatePoolAsync(ephemeral, new PoolOptions());
        Assert.Contains("persistent", await RefusedAsync(new NbdOrigin("/c"), persistent));
        // And a device that needs all of its pages does not get a cache's.
        Assert.Contains("backing", await RefusedAsync(Names.Unique("e"), 1 << 20, ephemeral));
    }

    private async Task<string> RefusedAsync(NbdOrigin origin, string pool)
    {
        var refusal = await Assert.ThrowsAnyAsync<Exception>(() => Exports.CreateWithOriginAsync(Names.Unique("e"), origin, 0, pool).AsTask());
        Assert.True(refusal is ArgumentException or GridException { Outcome: CallOutcome.NotApplied }, refusal.ToString());
        return refusal.Message;
    }

    private async Task<string> RefusedAsync(string name, long bytes, string pool)
    {
        var refusal = await Assert.ThrowsAnyAsync<Exception>(() => Exports.CreateAsync(name, bytes, pool).AsTask());
        Assert.True(refusal is ArgumentException or GridException { Outcome: CallOutcome.NotApplied }, refusal.ToString());
        return refusal.Message;
    }
}
