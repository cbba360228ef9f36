using Xunit;

namespace Grid.Tests.Harness;

/// <summary>A test with a virtual machine, which takes minutes: skipped unless <c>./test --vm</c> asks for it.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class VmTheoryAttribute : TheoryAttribute
{
    public VmTheoryAttribute()
    {
        if (Environment.GetEnvironmentVariable("GRID_TEST_VM") is null) Skip = "it takes minutes: ./test --vm runs it";
    }
}
