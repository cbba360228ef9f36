using Grid.Node.Frontends.Nbd;
using Grid.Tests.Harness;
using Xunit;
using Xunit.Abstractions;
using static Grid.Tests.Frontends.Nbd.NbdBytes;

namespace Grid.Tests.Frontends.Nbd;

/// <summary>The session under peers that get much wrong: it answers or closes, and never throws or loses step.</summary>
public sealed class SessionFuzzTests(ITestOutputHelper output)
{
    private const int Sessions = 300_000;

    private static readonly ExportFacts[] Exports = [new("a", 32 << 10, false, 4096, ""), new("b", 16 << 10, true, 4096, "")];

    [Fact]
    public void Three_hundred_thousand_mutated_sessions_are_answered_in_step_or_closed()
    {
        var mutator = new SessionMutator(Seeds.Next(output), ["a", "b"], 32 << 10);
        var (closed, answered, errors) = (0, 0L, 0L);
        for (var i = 0; i < Sessions; i++)
        {
            var session = new PureSession(Exports);
            if (i % 3 == 0)
            {
                session.Feed(mutator.NextBroken());
                if (session.IsClosed) closed++;
                continue;
            }

            var messages = mutator.NextFramed(out var options);
            session.Feed([.. Flags(), .. messages.SelectMany(message => message)]);
            Assert.False(session.IsClosed, session.Trouble);
            ReadOnlySpan<byte> bytes = session.Output;
            var optionAnswers = OptionAnswers(ref bytes);
            Assert.Equal(options, optionAnswers.Count(answer => answer.IsLast));
            var requests = messages.Skip(options).ToDictionary(message => UInt64(message.AsSpan(8)));
            var answers = RequestAnswers(bytes, cookie => requests[cookie][7] == 0 && requests[cookie][6] == 0 ? (int)UInt32(requests[cookie].AsSpan(24)) : 0);
            Assert.Equal(requests.Keys, answers.Select(answer => answer.Cookie));
            answered += answers.Count;
            errors += answers.Count(answer => answer.Error != NbdError.None);
        }

        output.WriteLine($"{closed} of {Sessions / 3} broken sessions closed; {answered} requests answered in step, {errors} of them with an error");
        Assert.InRange(closed, Sessions / 20, Sessions / 3);
        Assert.InRange(errors, answered / 10, answered * 9 / 10);
    }
}
