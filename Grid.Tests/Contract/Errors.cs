using Grid.Client;
using Xunit;

namespace Grid.Tests.Contract;

/// <summary>What a refused call must look like.</summary>
internal static class Errors
{
    /// <summary>A bad argument: refused by the SDK itself, or by the node as not applied.</summary>
    public static async Task<Exception> AssertBadArgumentAsync(Func<Task> call)
    {
        var error = await Record.ExceptionAsync(call);
        switch (error)
        {
            case ArgumentException:
                break;
            case GridException refused:
                Assert.Equal(CallOutcome.NotApplied, refused.Outcome);
                break;
            default:
                Assert.Fail($"expected a bad argument, got {error?.ToString() ?? "no exception"}");
                break;
        }

        return error;
    }
}
