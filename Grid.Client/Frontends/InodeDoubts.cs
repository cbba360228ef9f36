using System.Collections.Concurrent;
using Grid.Protocol;

namespace Grid.Client.Frontends;

/// <summary>
/// The inodes of which the grid may have a page that is invalid: an invalidation was not acknowledged. An entry's number tells doubts apart, so that what settles one does not settle
/// one that came up meanwhile.
/// </summary>
internal sealed class InodeDoubts
{
    private readonly ConcurrentDictionary<ObjectId, long> _doubts = new();
    private long _number;

    public int Count => _doubts.Count;

    public bool IsEmpty => _doubts.IsEmpty;

    public void Add(ObjectId inode) => _doubts[inode] = Interlocked.Increment(ref _number);

    public bool TryGet(ObjectId inode, out long doubt) => _doubts.TryGetValue(inode, out doubt);

    public void Settle(ObjectId inode, long doubt) => _doubts.TryRemove(new KeyValuePair<ObjectId, long>(inode, doubt));
}
