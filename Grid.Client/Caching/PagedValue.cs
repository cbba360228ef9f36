using System.Buffers;

namespace Grid.Client;

/// <summary>A caller's value as pages: those it fills are the caller's own memory, the last one is filled up with zeros. A value in several segments is copied once.</summary>
internal sealed class PagedValue : IDisposable
{
    private readonly byte[]? _copy;
    private readonly ReadOnlyMemory<byte> _bytes;
    private byte[]? _last;
    private readonly int _pageBytes;

    public PagedValue(ReadOnlySequence<byte> value, int pageBytes)
    {
        _pageBytes = pageBytes;
        var length = (int)value.Length;
        if (value.IsSingleSegment)
        {
            _bytes = value.First;
        }
        else
        {
            _copy = ArrayPool<byte>.Shared.Rent(length);
            value.CopyTo(_copy);
            _bytes = _copy.AsMemory(0, length);
        }
    }

    /// <summary>All of it.</summary>
    public ReadOnlyMemory<byte> Bytes => _bytes;

    public ReadOnlyMemory<byte> this[int page] => (long)(page + 1) * _pageBytes <= _bytes.Length ? _bytes.Slice(page * _pageBytes, _pageBytes) : Last();

    public void Dispose()
    {
        if (_copy is not null) ArrayPool<byte>.Shared.Return(_copy);
        if (_last is not null) ArrayPool<byte>.Shared.Return(_last);
    }

    private ReadOnlyMemory<byte> Last()
    {
        if (_last is null)
        {
            var rest = _bytes.Length % _pageBytes;
            _last = ArrayPool<byte>.Shared.Rent(_pageBytes);
            _bytes.Span[^rest..].CopyTo(_last);
            _last.AsSpan(rest, _pageBytes - rest).Clear();
        }

        return _last.AsMemory(0, _pageBytes);
    }
}
