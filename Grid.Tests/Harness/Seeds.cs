using System.Globalization;
using Xunit.Abstractions;

namespace Grid.Tests.Harness;

/// <summary>The seed of a randomized test: a new one every time, printed, or the one that <c>GRID_SEED</c> says.</summary>
internal static class Seeds
{
    public static int Next(ITestOutputHelper output)
    {
        var given = Environment.GetEnvironmentVariable("GRID_SEED");
        var seed = given is null ? Random.Shared.Next() : int.Parse(given, CultureInfo.InvariantCulture);
        output.WriteLine($"seed {seed}; replay with GRID_SEED={seed}");
        return seed;
    }
}
