using CsCheck;
using Grid.Client;

namespace Grid.Tests.Model;

internal enum OperationKind
{
    Put,
    Get,
    FlushPage,
    FlushObject,
    WriteBatch,
    GetBatch,
    Freeze,
    Thaw,
    Recreate,
    Pressure,
    Kill,
    Stop,
}

/// <summary>One entry of a batch: which page, and whether a write batch flushes rather than puts it.</summary>
internal readonly record struct OperationEntry(int Page, bool Flush);

/// <summary>One step of a random sequence: which pool, object and page of the few there are, and how.</summary>
internal sealed record Operation(
    OperationKind Kind, int Pool, int Object, int Page, GetMode Mode, int Condition, OperationEntry[] Entries)
{
    /// <summary>The page numbers that sequences use: both ends of the range and a few between.</summary>
    public static readonly uint[] Indexes = [0, 1, 2, 3, 255, 65536, int.MaxValue, uint.MaxValue];

    public const int Objects = 3;

    /// <summary>How often each kind comes, for ordinary sequences.</summary>
    public static readonly (int Weight, OperationKind Kind)[] Ordinary =
    [
        (30, OperationKind.Put), (25, OperationKind.Get), (8, OperationKind.FlushPage), (3, OperationKind.FlushObject),
        (14, OperationKind.WriteBatch), (8, OperationKind.GetBatch), (2, OperationKind.Freeze), (6, OperationKind.Thaw), (1, OperationKind.Recreate),
    ];

    /// <summary>Sequences over a number of pools, of so many steps.</summary>
    public static Gen<Operation[]> Sequences(int pools, int least, int most, params (int Weight, OperationKind Kind)[] kinds)
    {
        var kind = Gen.Frequency(kinds.Select(entry => (entry.Weight, (IGen<OperationKind>)Gen.Const(entry.Kind))).ToArray());
        var entries = Gen.Select(Gen.Int[0, Indexes.Length - 1], Gen.Int[0, 3], (page, flush) => new OperationEntry(page, flush == 0))
            .Array[1, Indexes.Length].Select(all => all.DistinctBy(entry => entry.Page).ToArray());
        // A condition of 0 is none; n is the n-th last version that was answered for the object.
        var condition = Gen.Frequency((3, Gen.Const(0)), (2, Gen.Const(1)), (1, Gen.Int[2, 6]));
        return Gen.Select(
            kind, Gen.Int[0, pools - 1], Gen.Int[0, Objects - 1], Gen.Int[0, Indexes.Length - 1], Gen.Enum<GetMode>(), condition, entries,
            (k, pool, id, page, mode, c, e) => new Operation(k, pool, id, page, mode, c, e)).Array[least, most];
    }

    public static string Print(Operation[] sequence) => string.Join('\n', sequence.Select((operation, i) => $"  {i}: {operation}"));

    public override string ToString()
    {
        var text = $"{Kind} pool {Pool} object {Object}";
        return Kind switch
        {
            OperationKind.Put or OperationKind.FlushPage => $"{text} page {Indexes[Page]}",
            OperationKind.Get => $"{text} page {Indexes[Page]} {Mode}",
            OperationKind.WriteBatch or OperationKind.GetBatch =>
                $"{text} [{string.Join(' ', Entries.Select(entry => $"{(entry.Flush ? "-" : "+")}{Indexes[entry.Page]}"))}] {Mode} condition {Condition}",
            OperationKind.FlushObject => text,
            _ => $"{Kind} pool {Pool}",
        };
    }
}
