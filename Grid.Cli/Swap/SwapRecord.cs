using System.Text.Json;

namespace Grid.Cli.Swap;

/// <summary>What this machine swaps to, in a file of /run: it is gone after a restart of the machine, as the swap is.</summary>
/// <param name="Export">The export.</param>
/// <param name="Pool">The pool that holds its pages.</param>
/// <param name="Device">The device it is attached as.</param>
/// <param name="Server">Who serves it.</param>
/// <param name="Connections">Over how many connections.</param>
/// <param name="Netlink">Whether the kernel holds the connections by itself.</param>
internal sealed record SwapRecord(string Export, string Pool, string Device, string Server, int Connections, bool Netlink)
{
    private const string Folder = "/run/grid-swap";

    /// <summary>All of this machine, by export.</summary>
    public static IReadOnlyList<SwapRecord> All(HostMachine machine)
    {
        var folder = machine.At(Folder);
        return Directory.Exists(folder)
            ? [.. Directory.EnumerateFiles(folder, "*.json").Order(StringComparer.Ordinal).Select(file => JsonSerializer.Deserialize<SwapRecord>(File.ReadAllText(file))!)]
            : [];
    }

    /// <summary>That of an export; null: this machine does not swap to it.</summary>
    public static SwapRecord? Of(HostMachine machine, string export) => All(machine).FirstOrDefault(record => record.Export == export);

    /// <summary>Writes it.</summary>
    public void Save(HostMachine machine)
    {
        Directory.CreateDirectory(machine.At(Folder));
        File.WriteAllText(FileOf(machine), JsonSerializer.Serialize(this));
    }

    /// <summary>Removes it.</summary>
    public void Remove(HostMachine machine) => File.Delete(FileOf(machine));

    private string FileOf(HostMachine machine) => machine.At($"{Folder}/{Export}.json");
}
