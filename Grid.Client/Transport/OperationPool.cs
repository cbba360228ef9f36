namespace Grid.Client;

/// <summary>Operations for reuse. The thread that fetched a result usually makes the next call: its spare is the common case.</summary>
internal static class OperationPool
{
    private const int Most = 4096;
    private static readonly Lock Gate = new();
    private static readonly Operation[] Shared = new Operation[Most];
    private static int _count;

    [ThreadStatic]
    private static Operation? _spare;

    public static Operation Rent()
    {
        if (_spare is { } spare)
        {
            _spare = null;
            return spare;
        }

        lock (Gate)
        {
            if (_count > 0) return Shared[--_count];
        }

        return new Operation();
    }

    public static void Return(Operation operation)
    {
        if (_spare is null)
        {
            _spare = operation;
            return;
        }

        lock (Gate)
        {
            if (_count < Most) Shared[_count++] = operation;
        }
    }
}
