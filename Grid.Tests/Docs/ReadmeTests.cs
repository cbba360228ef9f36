using System.Text.RegularExpressions;
using Grid.Tests.Tidy;
using Xunit;

namespace Grid.Tests.Docs;

/// <summary>What README shows is what is compiled.</summary>
public sealed partial class ReadmeTests
{
    [Fact]
    public void The_program_in_README_is_the_example()
    {
        var blocks = CSharpBlock().Matches(Sources.Of("README.md").Text);
        var block = Assert.Single(blocks).Groups[1].Value;
        Assert.Equal(Words(Sources.Of("examples/HelloGrid/Program.cs").Text), Words(block));
    }

    [Fact]
    public void The_example_is_built_with_the_solution() =>
        Assert.Contains(@"examples\HelloGrid\HelloGrid.csproj", Sources.Of("Grid.sln").Text, StringComparison.Ordinal);

    private static string Words(string code) => WhiteSpace().Replace(code, " ").Trim();

    [GeneratedRegex(@"```csharp\n(.*?)```", RegexOptions.Singleline)]
    private static partial Regex CSharpBlock();

    [GeneratedRegex(@"\s+")]
    private static partial Regex WhiteSpace();
}
