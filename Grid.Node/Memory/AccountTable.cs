namespace Grid.Node.Memory;

/// <summary>The accounts of a store by number, so that a frame and a reference need only the number.</summary>
internal sealed class AccountTable
{
    private readonly Lock _lock = new();
    private PoolAccount[] _accounts = new PoolAccount[16];
    private int _count;

    public PoolAccount this[int number] => Volatile.Read(ref _accounts)[number];

    public int Count => Volatile.Read(ref _count);

    public long Pages
    {
        get
        {
            var pages = 0L;
            for (var i = 0; i < Count; i++) pages += this[i].Pages;
            return pages;
        }
    }

    /// <summary>The account's number, given with its first page.</summary>
    public int Number(PoolAccount account)
    {
        var number = account.Number;
        return number >= 0 ? number : Enter(account);
    }

    private int Enter(PoolAccount account)
    {
        lock (_lock)
        {
            if (account.Number >= 0) return account.Number;
            if (_count == _accounts.Length)
            {
                var larger = new PoolAccount[_count * 2];
                _accounts.CopyTo(larger, 0);
                Volatile.Write(ref _accounts, larger);
            }

            _accounts[_count] = account;
            account.Number = _count;
            Volatile.Write(ref _count, _count + 1);
            return account.Number;
        }
    }
}
