using Grid.Client;
using Microsoft.Extensions.Time.Testing;
using Xunit;

namespace Grid.Tests.Caching;

/// <summary>The judge of caches' histories: short ones by hand, each allowed or with the one thing wrong that is to be found.</summary>
public sealed class CacheHistoryTests
{
    private readonly FakeTimeProvider _time = new();
    private readonly CacheHistory _history;

    public CacheHistoryTests() => _history = new CacheHistory(_time);

    [Fact]
    public void What_was_stored_last_is_read_and_nothing_before_and_after_a_removal()
    {
        Read(null);
        Set(1);
        Read(1);
        Set(2);
        Read(2);
        Remove();
        Read(null);
        AssertAllowed();
    }

    [Fact]
    public void While_a_change_runs_or_is_unknown_either_may_be_read()
    {
        Set(1);
        var running = _history.Begin("k", [2]);
        Read(1);
        Read(2);
        _history.Acknowledge(running);
        Tick();
        var unknown = _history.Begin("k", [3]);
        Tick();
        _history.Fail(unknown, CallOutcome.Unknown);
        Read(2);
        Read(3);
        AssertAllowed();
    }

    [Fact]
    public void A_read_that_runs_beside_changes_may_find_any_of_them()
    {
        Set(1);
        foreach (byte found in (byte[])[1, 2, 3])
        {
            var history = new CacheHistory(_time);
            history.Acknowledge(history.Begin("k", [1]));
            Tick();
            var start = history.Now;
            Tick();
            history.Acknowledge(history.Begin("k", [2]));
            Tick();
            history.Acknowledge(history.Begin("k", [3]));
            history.Read("k", start, [found]);
            Assert.Empty(history.Violations(mayVanish: false));
        }
    }

    [Fact]
    public void What_vanished_is_allowed_only_where_values_may_vanish_and_stays_away()
    {
        Set(1);
        Read(null);
        Assert.Empty(_history.Violations(mayVanish: true));
        Assert.Contains("nobody removed", Assert.Single(_history.Violations(mayVanish: false)), StringComparison.Ordinal);
        Read(1);
        Assert.Contains("had been missed", Assert.Single(_history.Violations(mayVanish: true)), StringComparison.Ordinal);
    }

    [Fact]
    public void An_overwritten_value_is_found()
    {
        Set(1);
        Set(2);
        Read(1);
        AssertFound("had been replaced");
    }

    [Fact]
    public void A_value_older_than_one_that_was_read_already_is_found()
    {
        Set(1);
        _history.Begin("k", [2]);
        Tick();
        Read(2);
        Read(1);
        AssertFound("had been replaced");
    }

    [Fact]
    public void A_removed_value_is_found()
    {
        Set(1);
        Remove();
        Read(1);
        AssertFound("had been removed");
    }

    [Fact]
    public void A_value_of_another_key_or_of_nobody_is_found()
    {
        _history.Acknowledge(_history.Begin("other", [1]));
        Read(1);
        AssertFound("never stored under this key");
    }

    [Fact]
    public void A_value_that_was_not_applied_is_found()
    {
        _history.Fail(_history.Begin("k", [1]), CallOutcome.NotApplied);
        Read(1);
        AssertFound("was not applied");
    }

    [Fact]
    public void A_value_that_is_lost_though_it_came_after_the_removal_is_found()
    {
        Remove();
        Set(1);
        Read(null);
        Assert.Single(_history.Violations(mayVanish: false));
    }

    private void Set(byte value) => Run(() => _history.Begin("k", [value]));

    private void Remove() => Run(() => _history.Begin("k", null));

    private void Run(Func<CacheChange> begin)
    {
        var change = begin();
        Tick();
        _history.Acknowledge(change);
        Tick();
    }

    private void Read(byte? value)
    {
        var start = _history.Now;
        Tick();
        _history.Read("k", start, value is { } found ? [found] : null);
        Tick();
    }

    private void Tick() => _time.Advance(TimeSpan.FromMilliseconds(1));

    private void AssertAllowed() => Assert.Empty(_history.Violations(mayVanish: false));

    private void AssertFound(string what) => Assert.Contains(what, Assert.Single(_history.Violations(mayVanish: false)), StringComparison.Ordinal);
}
