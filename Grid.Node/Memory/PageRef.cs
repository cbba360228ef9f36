namespace Grid.Node.Memory;

/// <summary>
/// Where a page lies in the store: a frame and its generation, so that a stale reference is detected and never followed, or the word that fills the
/// page. The default value is no page.
/// </summary>
public readonly record struct PageRef
{
    private readonly ulong _value;
    private readonly int _account;
    private readonly Form _form;

    private PageRef(ulong value, int account, Form form)
    {
        _value = value;
        _account = account;
        _form = form;
    }

    private enum Form
    {
        None,
        Frame,
        Same,
    }

    /// <summary>Whether this is no page at all.</summary>
    public bool IsNone => _form == Form.None;

    internal bool IsFrame => _form == Form.Frame;

    internal bool IsSame => _form == Form.Same;

    internal uint Frame => (uint)_value;

    internal uint Generation => (uint)(_value >> 32);

    internal ulong Word => _value;

    internal int Account => _account;

    internal static PageRef OfFrame(uint frame, uint generation, int account) => new(((ulong)generation << 32) | frame, account, Form.Frame);

    internal static PageRef OfWord(ulong word, int account) => new(word, account, Form.Same);
}
