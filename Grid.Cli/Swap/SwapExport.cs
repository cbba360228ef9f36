using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using System.Text.Json;
using Grid.Client;
using Grid.Protocol;

namespace Grid.Cli.Swap;

/// <summary>An export as swap space: made where it is missing, never taken away from somebody who uses it.</summary>
/// <param name="client">The Grid.</param>
/// <param name="export">The export.</param>
/// <param name="made">What of it was made just now.</param>
internal sealed class SwapExport(GridClient client, NbdExport export, SwapExport.Made made)
{
    /// <summary>What zramd takes at most.</summary>
    private const long DefaultSizeMaxBytes = 8L << 30;

    // The kernel writes it at the end of the first 4 KiB, which are the first page of the pool, or its beginning.
    private const int SignatureAt = 4086;
    private const string Signature = "SWAPSPACE2";

    /// <summary>Behind every device, however large.</summary>
    private static readonly ObjectId ClaimObject = NbdExport.ObjectOf(ulong.MaxValue - 1);

    /// <summary>The export.</summary>
    public NbdExport Export => export;

    /// <summary>What was made just now.</summary>
    public enum Made
    {
        /// <summary>Nothing: the export was there.</summary>
        Nothing,

        /// <summary>The export, for a pool that was there.</summary>
        Definition,

        /// <summary>The export and its pool.</summary>
        DefinitionAndPool,
    }

    /// <summary>Finds the export, or makes it.</summary>
    /// <param name="client">The Grid.</param>
    /// <param name="name">Its name.</param>
    /// <param name="sizeBytes">How large it is to be; null: as large as the machine's memory, 8 GiB at most.</param>
    /// <param name="compression">How pages of a new one lie in memory.</param>
    /// <param name="machine">The machine.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <exception cref="CliException">It cannot be used for swap.</exception>
    public static async Task<SwapExport> EnsureAsync(GridClient client, string name, long? sizeBytes, PageCompression compression, HostMachine machine, CancellationToken cancellation)
    {
        var exports = new NbdExports(client);
        if ((await exports.ListAsync(cancellation)).FirstOrDefault(export => export.Name == name) is not { } found)
        {
            var options = new PoolOptions { Kind = PoolKind.Persistent, Compression = compression };
            var pool = $"nbd-{name}";
            var made = (await client.ListPoolsAsync(cancellation)).Any(other => other.Name == pool) ? Made.Definition : Made.DefinitionAndPool;
            try
            {
                return new SwapExport(client, await exports.CreateAsync(name, sizeBytes ?? DefaultSize(machine), pool, options, readOnly: false, cancellation), made);
            }
            catch (ArgumentException e)
            {
                throw CliException.Usage(e.Message.Split(" (Parameter", 2)[0]);
            }
        }

        if (found.ReadOnly) throw CliException.Failed($"block device '{name}' is read only");
        if (sizeBytes is { } wanted && wanted != found.SizeBytes)
            throw CliException.Usage($"block device '{name}' is there with {SizeText.Format(found.SizeBytes)}: leave --size out, or change it with grid nbd resize");
        return new SwapExport(client, found, Made.Nothing);
    }

    /// <summary>Refuses to overwrite what is not swap.</summary>
    /// <exception cref="CliException">Something else lies there.</exception>
    public async Task RequireSwapOrEmptyAsync(CancellationToken cancellation)
    {
        if (made == Made.DefinitionAndPool) return;
        var pool = await client.OpenPoolAsync(export.Pool, cancellation);
        var page = new byte[pool.PageSizeBytes];
        var first = await pool.GetAsync(NbdExport.ObjectOf(0), 0, page, GetMode.Keep, cancellationToken: cancellation);
        if (first.Hit && page.AsSpan(SignatureAt, Signature.Length).SequenceEqual(Encoding.ASCII.GetBytes(Signature))) return;
        await foreach (var listed in pool.ListObjectsAsync(cancellationToken: cancellation))
            if (listed.Id != ClaimObject) throw CliException.Failed($"block device '{export.Name}' holds something that is not swap, and mkswap would destroy it: name another, or say --force");
    }

    /// <summary>Writes into the pool that this machine swaps there, unless another one does: two that do destroy each other's memory.</summary>
    /// <exception cref="CliException">Another machine swaps there.</exception>
    public async Task ClaimAsync(HostMachine machine, bool force, CancellationToken cancellation)
    {
        var pool = await client.OpenPoolAsync(export.Pool, cancellation);
        var mine = new Claim(MachineId(machine), machine.Name, DateTimeOffset.UtcNow);
        while (true)
        {
            var page = new byte[pool.PageSizeBytes];
            var found = await pool.GetAsync(ClaimObject, 0, page, GetMode.Keep, cancellationToken: cancellation);
            if (found.Hit && !force && Claim.Of(page) is { } other && other.MachineId != mine.MachineId)
            {
                throw CliException.Failed(string.Create(CultureInfo.InvariantCulture,
                    $"machine '{other.Machine}' swaps to block device '{export.Name}' since {other.Since:yyyy-MM-dd HH:mm} UTC, and two machines on one device destroy each other's memory: name another device, or say --force if that machine is gone for good"));
            }

            var written = await pool.WriteBatchAsync(ClaimObject, new WriteBatch().Put(0, mine.ToPage(pool.PageSizeBytes)), found.Version, cancellationToken: cancellation);
            if (written.Outcome == BatchOutcome.ConditionFailed) continue;
            if (written.Outcome == BatchOutcome.Refused) throw CliException.Refused(CliErrors.Refusal(written.Reason, export.Pool));
            return;
        }
    }

    /// <summary>Removes what was made just now.</summary>
    public async Task UnmakeAsync()
    {
        if (made == Made.Nothing) return;
        await new NbdExports(client).RemoveAsync(export.Name);
        if (made == Made.DefinitionAndPool) await client.DestroyPoolAsync(export.Pool);
    }

    /// <summary>Takes a claim back.</summary>
    public static async Task ReleaseAsync(GridClient client, string poolName, CancellationToken cancellation)
    {
        var pool = await client.OpenPoolAsync(poolName, cancellation);
        await pool.FlushObjectAsync(ClaimObject, cancellationToken: cancellation);
    }

    /// <summary>Removes the export and its pool.</summary>
    public static async Task RemoveAsync(GridClient client, string name, CancellationToken cancellation)
    {
        var removed = await new NbdExports(client).RemoveAsync(name, cancellation);
        await client.DestroyPoolAsync(removed.Pool, cancellation);
    }

    private static long DefaultSize(HostMachine machine)
    {
        var line = (machine.Read("/proc/meminfo") ?? "").Split('\n').FirstOrDefault(text => text.StartsWith("MemTotal:", StringComparison.Ordinal));
        var kibibytes = line?.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1];
        if (!long.TryParse(kibibytes, NumberStyles.None, CultureInfo.InvariantCulture, out var number)) throw CliException.Usage("--size: the kernel does not say how much memory this machine has, so say how large the device is to be");
        const long MiB = 1L << 20;
        return Math.Min(DefaultSizeMaxBytes, ((number << 10) + MiB - 1) / MiB * MiB);
    }

    private static string MachineId(HostMachine machine) => machine.Read("/etc/machine-id") is { Length: > 0 } id ? id : machine.Name;

    /// <summary>Who swaps there: u16 length and JSON in one page.</summary>
    private sealed record Claim(string MachineId, string Machine, DateTimeOffset Since)
    {
        public static Claim? Of(ReadOnlySpan<byte> page)
        {
            var length = BinaryPrimitives.ReadUInt16LittleEndian(page);
            return length + sizeof(ushort) > page.Length ? null : JsonSerializer.Deserialize<Claim>(page.Slice(sizeof(ushort), length));
        }

        public byte[] ToPage(int pageSizeBytes)
        {
            var page = new byte[pageSizeBytes];
            var json = JsonSerializer.SerializeToUtf8Bytes(this);
            BinaryPrimitives.WriteUInt16LittleEndian(page, (ushort)json.Length);
            json.CopyTo(page, sizeof(ushort));
            return page;
        }
    }
}
