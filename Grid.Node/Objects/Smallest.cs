namespace Grid.Node.Objects;

/// <summary>Keeps the smallest of many values, in memory for twice as many as are wanted, whatever order they come in.</summary>
/// <typeparam name="T">The values, no two of which are equal.</typeparam>
/// <param name="most">How many are wanted.</param>
internal struct Smallest<T>(int most)
    where T : IComparable<T>
{
    private readonly T[] _kept = new T[most * 2];
    private int _count;
    private bool _isCut;
    private T _bound = default!;

    /// <summary>Takes a value.</summary>
    public void Add(T value)
    {
        if (_isCut && value.CompareTo(_bound) > 0) return;
        if (_count == _kept.Length) Cut();
        if (_isCut && value.CompareTo(_bound) > 0) return;
        _kept[_count++] = value;
    }

    /// <summary>The smallest ones in order.</summary>
    /// <param name="isAll">Whether there were no others.</param>
    public ReadOnlySpan<T> Take(out bool isAll)
    {
        if (_count > most) Cut();
        else Array.Sort(_kept, 0, _count);
        isAll = !_isCut;
        return _kept.AsSpan(0, _count);
    }

    private void Cut()
    {
        Array.Sort(_kept, 0, _count);
        _count = most;
        _isCut = true;
        _bound = _kept[most - 1];
    }
}
