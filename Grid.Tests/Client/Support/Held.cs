using Grid.Protocol;

namespace Grid.Tests.Client.Support;

/// <summary>A script that holds back the requests of one kind until the test lets them go.</summary>
internal sealed class Held
{
    private readonly List<NodeRequest> _requests = [];

    public Held(ScriptedNode node, params Opcode[] opcodes) => node.Script = request =>
    {
        if (!opcodes.Contains(request.Opcode) || IsOpen) return ValueTask.FromResult(false);
        lock (_requests) _requests.Add(request);
        return ValueTask.FromResult(true);
    };

    /// <summary>From now on nothing is held.</summary>
    public bool IsOpen { get; set; }

    public int Count
    {
        get
        {
            lock (_requests) return _requests.Count;
        }
    }

    /// <summary>Takes out what is held, in order of arrival.</summary>
    public IReadOnlyList<NodeRequest> Take()
    {
        lock (_requests)
        {
            NodeRequest[] taken = [.. _requests];
            _requests.Clear();
            return taken;
        }
    }
}
