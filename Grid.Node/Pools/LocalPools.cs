using Grid.Node.Pools;
using Grid.Protocol;
namespace Grid.Node;
internal sealed class TmpPools(PoolView view) : IPools
{
    private readonly List<PoolEntry> _all = [];
    private ulong _v;
    public Task<PoolAnswer> CreateAsync(string tenant, string member, string name, PoolOptions options, CancellationToken cancellation)
    {
        lock (_all) { var e = new PoolEntry(new PoolInfo(new PoolId(++_v), name, tenant, options, false, 1), QuotaAccount.Unlimited); _all.Add(e); view.Publish(_v, _all); return Task.FromResult(new PoolAnswer(Status.Ok, "", e.Info)); }
    }
    public Task<PoolAnswer> OpenAsync(string tenant, string member, string name, CancellationToken cancellation) => throw new NotSupportedException();
    public Task<IReadOnlyList<PoolInfo>> ListAsync(string tenant, CancellationToken cancellation) => Task.FromResult(view.List(tenant));
    public Task<PoolAnswer> FreezeAsync(string tenant, string name, CancellationToken cancellation) => throw new NotSupportedException();
    public Task<PoolAnswer> ThawAsync(string tenant, string name, CancellationToken cancellation) => throw new NotSupportedException();
    public Task<PoolAnswer> DestroyAsync(string tenant, string member, string name, CancellationToken cancellation) => throw new NotSupportedException();
    public Task<PoolStatAnswer> StatAsync(string tenant, string name, CancellationToken cancellation) => throw new NotSupportedException();
}
