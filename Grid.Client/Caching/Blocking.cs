namespace Grid.Client;

/// <summary>
/// The one place that blocks on a task: <c>IDistributedCache</c> and <c>IDisposable</c> have synchronous members. It cannot deadlock: nothing in the SDK resumes on a caller's context, and the thread that
/// receives answers has others take over when code on it blocks.
/// </summary>
internal static class Blocking
{
#pragma warning disable VSTHRD002 // that is what this is for
    public static void Wait(Task task)
    {
        var awaiter = task.ConfigureAwait(false).GetAwaiter();
        awaiter.GetResult();
    }

    public static T Wait<T>(Task<T> task)
    {
        var awaiter = task.ConfigureAwait(false).GetAwaiter();
        return awaiter.GetResult();
    }
#pragma warning restore VSTHRD002
}
