using System.Globalization;
using Grid.Tests.Harness;
using Xunit;
using Xunit.Abstractions;

namespace Grid.Tests.Chaos;

/// <summary>The test of the test: the checkers pass what a correct store answers, and find each kind of violation.</summary>
public sealed class HistoryCheckerTests(ITestOutputHelper output)
{
    private static readonly TimeSpan Tolerance = TimeSpan.FromMilliseconds(100);
    private static readonly RecordedPool Ephemeral = new("ephemeral", IsPersistent: false);
    private static readonly RecordedPool Persistent = new("persistent", IsPersistent: true);
    private static readonly RecordedPool Tight = new("tight", IsPersistent: true, MayRefuse: true);

    public static TheoryData<StoreBreak, bool> Breaks
    {
        get
        {
            var data = new TheoryData<StoreBreak, bool>();
            foreach (var mistake in Enum.GetValues<StoreBreak>().Except([StoreBreak.None]))
            {
                data.Add(mistake, true);
                // Where pages may vanish, losing them is no mistake.
                if (mistake != StoreBreak.LosesPages) data.Add(mistake, false);
            }

            return data;
        }
    }

    [Theory, InlineData(false, false), InlineData(false, true), InlineData(true, false), InlineData(true, true)]
    public void What_a_correct_store_answers_is_passed(bool isPersistent, bool mayRefuse)
    {
        var first = Seeds.Next(output);
        var pool = new RecordedPool("p", isPersistent, mayRefuse);
        for (var seed = first; seed != first + 150; seed++)
        {
            var history = new SimulatedStore(seed, pool).Run(300);
            var wrong = HistoryChecker.Check(history, Tolerance);
            Assert.True(wrong.Count == 0, $"seed {seed}: {string.Join('\n', wrong)}");
        }
    }

    [Theory, MemberData(nameof(Breaks))]
    public void A_store_that_makes_a_mistake_is_found(StoreBreak mistake, bool isPersistent)
    {
        var pool = new RecordedPool("p", isPersistent, MayRefuse: true);
        // A mistake need not show: what comes back may never be got. In most histories it does.
        var found = 0;
        for (var seed = 1; seed <= 10; seed++)
        {
            var wrong = HistoryChecker.Check(new SimulatedStore(seed, pool, mistake).Run(400), Tolerance, stepsMax: 5_000);
            if (wrong.Count > 0 && found++ == 0) output.WriteLine($"seed {seed}: {string.Join('\n', wrong)}");
        }

        output.WriteLine($"{mistake}: found in {found} of 10 histories");
        Assert.InRange(found, 3, 10);
    }

    [Theory]
    // A put that is over cannot be undone by one before it.
    [InlineData(PromiseChecks.PutPutGet, true, "put 0 1 @1-2; put 0 2 @3-4; get 0 =1 @5-6")]
    [InlineData(PromiseChecks.PutPutGet, false, "put 0 1 @1-2; put 0 2 @3-4; get 0 =1 @5-6")]
    [InlineData(PromiseChecks.PutPutGet, true, "put 0 1 @1-2; put 0 2 refused @3-4; get 0 =1 @5-6")]
    [InlineData(PromiseChecks.PutPutGet, true, "put 0 1 failed @1-2; get 0 =1 @3-4")]
    // The put's outcome is unknown; but it was seen before it was overwritten.
    [InlineData(PromiseChecks.PutPutGet, true, "put 0 1 unknown @1-2; get 0 =1 @3-4; put 0 2 @5-6; get 0 =1 @7-8")]
    [InlineData(PromiseChecks.GetGet, false, "put 0 1 @1-2; get 0 =0 @3-4; get 0 =1 @5-6")]
    [InlineData(PromiseChecks.GetGet, false, "put 0 1 @1-2; take 0 =1 @3-6; take 0 =1 @4-5")]
    [InlineData(PromiseChecks.GetGet, true, "put 0 1 @1-4; take 0 =1 @2-3; get 0 =1 @5-6")]
    [InlineData(PromiseChecks.Flush, false, "put 0 1 @1-2; flush 0 there @3-4; get 0 =1 @5-6")]
    [InlineData(PromiseChecks.Flush, true, "put 0 1 @1-2; flush-object there @3-4; get 0 =1 @5-6")]
    [InlineData(PromiseChecks.Persistent, true, "put 0 1 @1-2; get 0 =0 @3-4")]
    [InlineData(PromiseChecks.Persistent, true, "put 0 1 @1-2; flush 0 nothing @3-4")]
    [InlineData(PromiseChecks.Persistent, true, "flush 0 unknown @1-2; put 0 1 @3-4; get 0 =1 @5-6; put 1 2 @7-8; flush-object nothing @9-10")]
    [InlineData(PromiseChecks.NoCrossedPages, true, "put 0 1 @1-2; put 1 2 @3-4; get 1 =1 @5-6")]
    [InlineData(PromiseChecks.NoCrossedPages, false, "get 0 =9 @1-2")]
    [InlineData(PromiseChecks.NoCrossedPages, false, "get 0 =1 @1-2; put 0 1 @3-4")]
    // Each answer alone is possible: only together are they not.
    [InlineData(HistoryChecker.Linearizable, true, "put 0 1 @1-2; put 0 2 @3-20; get 0 =2 @4-5; get 0 =1 @6-7")]
    [InlineData(HistoryChecker.Linearizable, true, "batch 0=1,1=2 @1-2; batch 0=3,1=4 there @3-20; gets 0=3,1=2 @4-5")]
    [InlineData(HistoryChecker.Linearizable, false, "batch 0=1,1=2 @1-2; batch 0=3,1=4 there @3-20; gets 0=3,1=2 @4-5")]
    [InlineData(HistoryChecker.Linearizable, true, "put 0 1 @1-2; put 1 2 @3-4; flush-object there @5-20; get 0 =0 @6-7; get 1 =2 @8-9")]
    [InlineData(HistoryChecker.Linearizable, true, "put 0 1 @1-2; put 0 2 unknown @3-4; get 0 =2 @5-6; get 0 =1 @7-8")]
    [InlineData(HistoryChecker.Linearizable, false, "put 0 1 @1-9; put 0 2 @2-9; get 0 =1 @3-4; get 0 =2 @5-6; get 0 =1 @7-8")]
    [InlineData(PromiseChecks.Bounds, true, "put 0 1 @1-2; get 0 =1 late @3-9")]
    [InlineData(PromiseChecks.Bounds, true, "put 0 1 unended @1-2")]
    [InlineData(PromiseChecks.Refusals, false, "put 0 1 refused-roomy @1-2")]
    public void A_violation_is_found(string rule, bool isPersistent, string calls)
    {
        var found = Check(isPersistent, calls);
        output.WriteLine(string.Join('\n', found));
        Assert.Contains(rule, found.Select(violation => violation.Rule));
    }

    [Theory]
    [InlineData(false, "put 0 1 @1-2; get 0 =0 @3-4; get 0 =0 @5-6")]
    [InlineData(true, "put 0 1 @1-4; get 0 =0 @2-3; get 0 =1 @5-6")]
    [InlineData(true, "put 0 1 @1-2; put 0 2 unknown @3-4; get 0 =1 @5-6; get 0 =2 @7-8")]
    [InlineData(true, "put 0 1 @1-2; flush 0 unknown @3-4; get 0 =1 @5-6; get 0 =0 @7-8; put 0 2 @9-10")]
    [InlineData(true, "put 0 1 @1-2; put 0 2 refused @3-4; get 0 =0 @5-6")]
    [InlineData(true, "put 0 1 @1-2; put 0 2 failed @3-4; get 0 =1 @5-6")]
    [InlineData(true, "put 0 1 @1-2; take 0 unknown @3-4; get 0 =0 @5-6")]
    [InlineData(false, "put 0 1 @1-2; take 0 =1 @3-6; get 0 =1 @4-5")]
    [InlineData(true, "batch 0=1,1=2 @1-9; get 0 =1 @2-3; get 1 =2 @4-5")]
    [InlineData(true, "batch 0=1,1=2 unknown @1-2; gets 0=0,1=0 @3-4; gets 0=1,1=2 @5-6")]
    public void What_may_be_answered_is_passed(bool isPersistent, string calls) => Assert.Empty(Check(isPersistent, calls));

    [Fact]
    public void A_violation_is_shown_with_few_calls()
    {
        var before = string.Concat(Enumerable.Range(0, 200).Select(i => $"get 1 =0 @{100 + (2 * i)}-{101 + (2 * i)}; "));
        var found = Check(true, before + "put 0 1 @1001-1002; put 0 2 @1003-1020; get 0 =2 @1004-1005; get 0 =1 @1006-1007; get 0 =2 @1030-1031; put 0 3 @1032-1033");
        var window = Assert.Single(found, violation => violation.Rule == HistoryChecker.Linearizable).Calls;
        Assert.Equal(4, window.Count);
    }

    [Fact]
    public void An_outage_lasts_from_the_first_question_to_the_next_answer()
    {
        // Asked at 4, answered at 10; before that and after it nobody waited for long.
        var calls = Parse(true, "put 0 1 @1-2; get 0 failed @4-5; get 0 =1 @6-10; get 0 =1 @20-21").Calls;
        Assert.Equal(TimeSpan.FromSeconds(6), Outages.Longest(calls, 0, long.MaxValue));
        Assert.Equal(TimeSpan.FromSeconds(1), Outages.Longest(calls, 11_000_000_000, long.MaxValue));
        Assert.Equal(TimeSpan.Zero, Outages.Longest(calls, 30_000_000_000, long.MaxValue));
    }

    [Fact]
    public void A_search_that_costs_too_much_is_given_up_and_counts_as_a_violation()
    {
        // Thirty puts at once, in any order; nothing explains what was got then.
        var calls = string.Concat(Enumerable.Range(1, 30).Select(i => $"put 0 {i} @1-100; ")) + "get 0 =7 @101-102; get 0 =8 @103-104";
        var found = HistoryChecker.Check(Parse(true, calls), Tolerance, stepsMax: 10_000);
        Assert.Contains(found, violation => violation.Rule == HistoryChecker.Linearizable && violation.Text.Contains("given up after 10000 steps", StringComparison.Ordinal));
    }

    [Fact]
    public void An_outage_with_dozens_of_unknown_calls_is_explained_with_few_steps()
    {
        // What is got needs two of them, in this order; forty others have nothing to do with it, or would undo it.
        var noise = string.Concat(Enumerable.Range(0, 40).Select(i => (i % 4) switch
        {
            0 => $"flush {i / 4 % 4} unknown @{10 + i}-{90 + i}; ",
            1 => $"take {i / 4 % 4} unknown @{10 + i}-{90 + i}; ",
            _ => $"put {i / 4 % 4} {100 + i} unknown @{10 + i}-{90 + i}; ",
        }));
        var calls = Parse(true, noise + "batch 0=0,2=0 unknown @50-200; batch 0=1,1=2,2=3,3=4 unknown @60-200; gets 0=0,1=2,2=0,3=4 @300-310; put 0 5 @320-330; gets 0=5,1=2 @340-350; gets 2=0,3=4 @360-370");
        Assert.Empty(HistoryChecker.Check(calls, TimeSpan.FromSeconds(1000), stepsMax: 5_000));
    }

    [Fact]
    public async Task A_history_is_read_back_as_it_was_written()
    {
        using var folder = new TestFolder();
        var simulated = new List<HistoryEntry>();
        var path = folder.Combine("history.jsonl");
        await using (var writer = new HistoryWriter(path))
        {
            foreach (var pool in (RecordedPool[])[Ephemeral, Persistent, Tight]) await writer.AddPoolAsync(pool);
            await writer.AddFaultAsync("node 2 killed");
            simulated.Add(new HistoryEntry { Process = 1, Type = EntryType.Invoke, Op = CallKind.WriteBatch, Pool = "tight", Object = "0a", Indexes = [0, uint.MaxValue], Values = [7, 0], DeadlineNs = 90, TimeNs = 5 });
            simulated.Add(simulated[0] with { Type = EntryType.Ok, Result = CallResult.Stored, There = [false, true], TimeNs = 9 });
            simulated.Add(new HistoryEntry { Process = 1, Type = EntryType.Invoke, Op = CallKind.FlushObject, Pool = "tight", Object = "0a", TimeNs = 10 });
            simulated.Add(simulated[2] with { Type = EntryType.Info, Text = "cut \"off\"", TimeNs = 19 });
            foreach (var entry in simulated) await writer.AddAsync(entry);
        }

        Assert.Contains("{\"process\":1,\"type\":\"invoke\",\"op\":\"write-batch\",\"pool\":\"tight\",\"object\":\"0a\",\"indexes\":[0,4294967295],\"values\":[7,0],\"deadline_ns\":90,\"time_ns\":5}", await File.ReadAllLinesAsync(path));
        var read = await RecordedHistory.ReadAsync(path);
        Assert.Equal([Ephemeral, Persistent, Tight], read.Pools.Values);
        Assert.Equal("node 2 killed", Assert.Single(read.Faults).Text);
        Assert.Equal(RecordedHistory.Of(simulated.Prepend(new HistoryEntry { Process = -1, Type = EntryType.Info, Op = CallKind.Pool, Pool = "tight", TimeNs = 0 })).Calls.Select(call => call.ToString()), read.Calls.Select(call => call.ToString()));
        Assert.True(read.Calls[1].IsUnknown);
    }

    private static IReadOnlyList<Violation> Check(bool isPersistent, string calls) => HistoryChecker.Check(Parse(isPersistent, calls), Tolerance);

    /// <summary>Calls in short: what, on which pages, with which answer, between which times (seconds). Each has a caller of its own.</summary>
    private static RecordedHistory Parse(bool isPersistent, string text)
    {
        var mayRefuse = text.Contains("refused", StringComparison.Ordinal) && !text.Contains("refused-roomy", StringComparison.Ordinal);
        var calls = text.Split(';', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries).Select((call, process) => Call(process, call.Split(' ')));
        var pool = new RecordedPool("p", isPersistent, mayRefuse);
        return new RecordedHistory(new Dictionary<string, RecordedPool> { ["p"] = pool }, [.. calls.OrderBy(call => call.StartNs)], []);
    }

    private static RecordedCall Call(int process, string[] words)
    {
        var kind = words[0] switch { "batch" => CallKind.WriteBatch, "gets" => CallKind.GetBatch, "flush-object" => CallKind.FlushObject, var name => Enum.Parse<CallKind>(name, ignoreCase: true) };
        var times = words[^1][1..].Split('-').Select(time => long.Parse(time, CultureInfo.InvariantCulture) * 1_000_000_000).ToArray();
        var pages = kind == CallKind.FlushObject ? [] : words[1].Split(',').Select(page => page.Split('=')).ToArray();
        var values = kind == CallKind.Put ? words[2] : words.FirstOrDefault(word => word[0] == '=')?[1..];
        return new RecordedCall(process, kind, "p", "o", [.. pages.Select(page => uint.Parse(page[0], CultureInfo.InvariantCulture))], times[0])
        {
            Values = values is not null ? [ulong.Parse(values, CultureInfo.InvariantCulture)] : [.. pages.Where(page => page.Length > 1).Select(page => ulong.Parse(page[1], CultureInfo.InvariantCulture))],
            There = kind == CallKind.WriteBatch ? [.. pages.Select(_ => words.Contains("there"))] : words.Contains("there") ? [true] : words.Contains("nothing") ? [false] : [],
            IsRefused = words.Any(word => word.StartsWith("refused", StringComparison.Ordinal)),
            Outcome = words.Contains("failed") ? EntryType.Fail : words.Contains("unknown") ? EntryType.Info : words.Contains("unended") ? EntryType.Invoke : EntryType.Ok,
            EndNs = words.Contains("unended") ? long.MaxValue : times[1],
            DeadlineNs = words.Contains("late") ? times[0] : long.MaxValue,
        };
    }
}
