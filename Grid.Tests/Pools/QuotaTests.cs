using Akka.Actor;
using Akka.Cluster;
using CsCheck;
using Grid.Node.Pools;
using Grid.Protocol;
using Xunit;
using Address = Akka.Actor.Address;

namespace Grid.Tests.Pools;

/// <summary>Quotas without any actor: the ledger's rule, and the account under many threads.</summary>
public sealed class QuotaTests
{
    private static readonly PoolId Pool = new(1);
    private static readonly UniqueAddress[] Nodes = [.. Enumerable.Range(1, 4).Select(i => new UniqueAddress(new Address("akka.tcp", "grid", "n", i), i))];

    [Fact]
    public void The_ledger_never_grants_more_than_the_quota_whatever_nodes_do() =>
        Gen.Select(Gen.Long[0, 500], Gen.Bool, Gen.Select(Gen.Int[0, 3], Gen.Int[0, 4], Gen.Int[1, 100]).Array[0, 200]).Sample((limit, isDurable, steps) =>
        {
            var ledger = new QuotaLedger(limit, isDurable);
            ledger.Rebase(0, []);
            var granted = new long[4];
            var returned = new long[4];
            long lost = 0;
            foreach (var (node, what, amount) in steps)
            {
                var available = ledger.AvailablePages;
                switch (what)
                {
                    case 0 or 1:
                        var enough = ledger.Grant(Nodes[node], amount, isScarce: what == 1);
                        Assert.Equal(available >= amount, enough);
                        granted[node] = ledger.GrantedTotal(Nodes[node]);
                        break;
                    case 2 or 3:
                        returned[node] += Math.Min(amount, granted[node] - returned[node]);
                        ledger.Report(Nodes[node], 0, returned[node]);
                        // Said again, or late: no harm.
                        ledger.Report(Nodes[node], 0, returned[node] / 2);
                        break;
                    default:
                        ledger.Remove(Nodes[node]);
                        if (isDurable) lost += granted[node] - returned[node];
                        granted[node] = returned[node] = 0;
                        // A node comes back as another one, here with the same name: its ghost is folded as by a count.
                        ledger.Rebase(lost, ledger.Ghosts.ToList());
                        break;
                }

                Assert.InRange(granted.Sum() - returned.Sum() + lost, 0, limit);
                Assert.Equal(limit - lost - (granted.Sum() - returned.Sum()), ledger.AvailablePages);
            }
        });

    [Fact]
    public void One_node_can_be_granted_exactly_the_quota() => Gen.Select(Gen.Long[1, 5000], Gen.Int[1, 50]).Sample((limit, need) =>
    {
        var ledger = new QuotaLedger(limit, isDurable: true);
        ledger.Rebase(0, []);
        while (ledger.Grant(Nodes[0], Math.Min(need, Math.Max(1, ledger.AvailablePages)), isScarce: false)) { }

        Assert.Equal((limit, 0), (ledger.GrantedTotal(Nodes[0]), ledger.AvailablePages));
    });

    [Fact]
    public void A_count_lowers_the_base_and_never_raises_it_unless_ghosts_are_folded_in()
    {
        var ledger = new QuotaLedger(100, isDurable: true);
        Assert.False(ledger.Grant(Nodes[0], 1, isScarce: false));
        ledger.Rebase(40, []);
        ledger.Rebase(50, []);
        Assert.Equal(60, ledger.AvailablePages);
        ledger.Rebase(30, []);
        Assert.Equal(70, ledger.AvailablePages);
        ledger.Grant(Nodes[0], 70, isScarce: false);
        ledger.Remove(Nodes[0]);
        Assert.Equal(0, ledger.AvailablePages);
        ledger.Rebase(45, [Nodes[0]]);
        Assert.Equal(55, ledger.AvailablePages);
    }

    [Fact]
    public async Task An_account_never_lets_more_be_taken_than_there_is_under_many_threads()
    {
        var account = new QuotaAccount(Pool, 1_000_000, new NoBroker(), TimeProvider.System);
        account.Grant(1000);
        long inUse = 0, most = 0;
        await Task.WhenAll(Enumerable.Range(0, 4).Select(seed => Task.Run(() =>
        {
            var random = new Random(seed);
            for (var i = 0; i < 50_000; i++)
            {
                var pages = random.Next(1, 300);
                if (!account.TryTake(pages)) continue;
                var now = Interlocked.Add(ref inUse, pages);
                if (now > Volatile.Read(ref most)) Volatile.Write(ref most, now);
                Interlocked.Add(ref inUse, -pages);
                account.Give(pages);
            }
        })));
        Assert.InRange(most, 1, 1000);
        Assert.Equal((1000, account.Taken), (account.Free, account.Given));
        Assert.Equal(1000, account.Outstanding);
    }

    [Fact]
    public async Task An_account_is_exact_and_believes_nothing_left_for_a_moment_only()
    {
        var account = new QuotaAccount(Pool, 10, new NoBroker(), TimeProvider.System);
        account.Grant(10);
        Assert.True(account.TryTake(10));
        Assert.False(account.TryTake(1));
        account.MarkExhausted();
        Assert.False(await account.BorrowAsync(1));
        account.Give(1);
        Assert.True(await account.BorrowAsync(1));
        Assert.True(account.TryTake(1));
        await Task.Delay(QuotaAccount.ExhaustedFor * 2);
        await Assert.ThrowsAsync<NotSupportedException>(() => account.BorrowAsync(1).AsTask());
        Assert.False(await account.BorrowAsync(11));
        account.TakeAnyway(3);
        Assert.Equal(-3, account.Free);
        account.Give(2);
        Assert.False(account.TryTake(1));
        Assert.Equal(0, account.Withdraw(0));
    }

    [Fact]
    public async Task What_a_count_between_two_looks_at_an_account_says_is_never_too_low_and_exact_when_nothing_happens()
    {
        var account = new QuotaAccount(Pool, 1_000_000, new NoBroker(), TimeProvider.System);
        account.Grant(1_000_000);
        var journal = new long[4];
        long Counted() => journal.Sum(pages => Volatile.Read(ref pages));
        var done = 0;
        var writers = Enumerable.Range(0, journal.Length).Select(seed => Task.Run(() =>
        {
            var random = new Random(seed);
            for (var i = 0; i < 100_000; i++) Write(account, ref journal[seed], random);
            Interlocked.Increment(ref done);
        })).ToArray();
        var lowest = long.MaxValue;
        for (var looks = 0; Volatile.Read(ref done) < writers.Length; looks++) lowest = Math.Min(lowest, LookAndCount(account, Counted));
        await Task.WhenAll(writers);
        // All pages are this account's: nothing else is in use.
        Assert.InRange(lowest, 0, 1_000_000);
        Assert.Equal(0, LookAndCount(account, Counted));
        Assert.Equal((account.Taken, 0), (account.Settled, account.Leaving));
    }

    [Fact]
    public void A_pool_without_a_quota_has_everything()
    {
        Assert.True(QuotaAccount.Unlimited.TryTake(int.MaxValue));
        QuotaAccount.Unlimited.Give(1);
        QuotaAccount.Unlimited.TakeAnyway(1);
        Assert.Equal((false, 0), (QuotaAccount.Unlimited.IsLimited, QuotaAccount.Unlimited.Free));
    }

    /// <summary>A write as an object makes it, with every outcome.</summary>
    private static void Write(QuotaAccount account, ref long journal, Random random)
    {
        var adds = random.Next(0, 4);
        var removes = random.Next(0, (int)Math.Min(4, Volatile.Read(ref journal) + 1));
        Assert.True(account.TryTake(adds));
        account.BeginLeaving(removes);
        if (random.Next(8) == 0)
        {
            account.Untake(adds);
        }
        else
        {
            Thread.SpinWait(random.Next(300));
            Interlocked.Add(ref journal, adds - removes);
            Thread.SpinWait(random.Next(300));
            if (removes > 0) account.Give(removes);
            account.Settle(adds);
        }

        account.EndLeaving(removes);
    }

    private static long LookAndCount(QuotaAccount account, Func<long> count)
    {
        var settled = account.Settled;
        var counted = count();
        var leaving = account.Leaving;
        return counted - settled + leaving + account.Given;
    }

    private sealed class NoBroker : IQuotaBroker
    {
        public Task<bool> BorrowAsync(PoolId pool, int pages) => throw new NotSupportedException();
    }
}
