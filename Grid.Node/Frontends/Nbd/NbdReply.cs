using Grid.Node.Gateway;

namespace Grid.Node.Frontends.Nbd;

/// <summary>What answers a request.</summary>
/// <param name="request">The request.</param>
/// <param name="error">What went wrong; <see cref="NbdError.None"/> where nothing did.</param>
/// <param name="text">What went wrong, for people.</param>
internal sealed class NbdReply(NbdRequest request, NbdError error = NbdError.None, string text = "")
{
    /// <summary>The request.</summary>
    public NbdRequest Request => request;

    /// <summary>What went wrong; <see cref="NbdError.None"/> where nothing did.</summary>
    public NbdError Error { get; private set; } = error;

    /// <summary>What went wrong, for people.</summary>
    public string Text { get; private set; } = text;

    /// <summary>A read's bytes; null where all of them are zero.</summary>
    public byte[]? Data { get; set; }

    /// <summary>What a block status found.</summary>
    public IReadOnlyList<Extent> Extents { get; set; } = [];

    /// <summary>The buffer that is free once the reply is sent; taken from the budgets.</summary>
    public byte[]? Buffer { get; set; }

    /// <summary>What this node's own object answered, with the pages that it holds until the reply is sent.</summary>
    public NearAnswer? Near { get; set; }

    /// <summary>Links replies that are ready.</summary>
    public NbdReply? Next { get; set; }

    /// <summary>It went wrong.</summary>
    public void Fail(NbdError error, string text) => (Error, Text, Data) = (error, text, null);
}
