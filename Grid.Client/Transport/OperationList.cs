namespace Grid.Client;

/// <summary>A list of operations linked through themselves: no allocation, and any of them is taken out in constant time. Guarded by its link's gate.</summary>
internal sealed class OperationList
{
    public Operation? First { get; private set; }

    public Operation? Last { get; private set; }

    public bool IsEmpty => First is null;

    public void Append(Operation operation)
    {
        operation.List = this;
        operation.Next = null;
        operation.Previous = Last;
        if (Last is null) First = operation;
        else Last.Next = operation;
        Last = operation;
    }

    public void Remove(Operation operation)
    {
        if (operation.Previous is null) First = operation.Next;
        else operation.Previous.Next = operation.Next;
        if (operation.Next is null) Last = operation.Previous;
        else operation.Next.Previous = operation.Previous;
        operation.List = null;
        operation.Next = null;
        operation.Previous = null;
    }

    /// <summary>Takes all out.</summary>
    public void MoveTo(List<Operation> target)
    {
        while (First is { } operation)
        {
            Remove(operation);
            target.Add(operation);
        }
    }

    /// <summary>Takes out those whose deadline has passed.</summary>
    public void MoveExpiredTo(List<Operation> target, long nowMs)
    {
        for (var operation = First; operation is not null;)
        {
            var next = operation.Next;
            if (operation.DeadlineMs <= nowMs)
            {
                Remove(operation);
                target.Add(operation);
            }

            operation = next;
        }
    }

    /// <summary>Takes out those that are due.</summary>
    public void MoveDueTo(List<Operation> target, long nowMs)
    {
        for (var operation = First; operation is not null;)
        {
            var next = operation.Next;
            if (operation.DueMs <= nowMs)
            {
                Remove(operation);
                target.Add(operation);
            }

            operation = next;
        }
    }
}
