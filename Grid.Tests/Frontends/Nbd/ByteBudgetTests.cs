using Grid.Node.Frontends.Nbd;
using Xunit;

namespace Grid.Tests.Frontends.Nbd;

public sealed class ByteBudgetTests
{
    [Fact]
    public async Task Who_finds_too_few_bytes_waits_in_order_and_who_gives_up_is_passed_over()
    {
        var counted = 0L;
        var budget = new ByteBudget(100, bytes => counted += bytes);
        await budget.TakeAsync(60, default);
        using var gaveUp = new CancellationTokenSource();
        var large = budget.TakeAsync(50, default).AsTask();
        var never = budget.TakeAsync(10, gaveUp.Token).AsTask();
        var small = budget.TakeAsync(10, default).AsTask();
        Assert.False(large.IsCompleted || never.IsCompleted || small.IsCompleted);
        await gaveUp.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => never);
        budget.Give(60);
        await large;
        await small;
        Assert.Equal(60, budget.Taken);
        budget.Give(60);
        Assert.Equal(0, budget.Taken);
        Assert.InRange(counted, 0, 16 << 20);
    }
}
