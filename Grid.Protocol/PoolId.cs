using System.Globalization;

namespace Grid.Protocol;

/// <summary>The number of a pool, given by the grid at its creation and never used twice.</summary>
/// <param name="Value">The number; 0 is no pool.</param>
public readonly record struct PoolId(ulong Value)
{
    /// <summary>The number in decimal.</summary>
    public override string ToString() => Value.ToString(CultureInfo.InvariantCulture);
}
