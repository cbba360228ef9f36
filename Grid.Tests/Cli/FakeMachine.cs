using Grid.Cli.Swap;
using Grid.Tests.Harness;

namespace Grid.Tests.Cli;

/// <summary>
/// A machine whose programs are scripts in a folder of the test's: they write down how they were called, and change the files by which a kernel would tell. Everything above
/// them is the product's own.
/// </summary>
internal sealed class FakeMachine : IDisposable
{
    /// <summary>What nbd-client 3.24 prints, the part that matters.</summary>
    public const string Netlink = "nbd-client version 3.24\nUsage: nbd-client -name|-N name host [port] nbd_device\n\t[-persist|-p] [-nofork|-n] [-systemd-mark|-m] [-nonetlink|-L]\n";

    /// <summary>What 3.16 prints: several connections, no netlink.</summary>
    public const string WithoutNetlink = "nbd-client version 3.16.2\nUsage: nbd-client -name|-N name host [port] nbd_device\n\t[-persist|-p] [-nofork|-n] [-systemd-mark|-m]\n";

    /// <summary>What 3.10 prints: one connection.</summary>
    public const string OneConnection = "nbd-client version 3.10\nUsage: nbd-client -name|-N name host [port] nbd_device\n";

    // A program fails where a file fail-NAME holds what it is to print.
    private const string Begin = "#!/bin/sh\nroot=$(dirname \"$(dirname \"$0\")\")\nname=$(basename \"$0\")\necho \"$name $*\" >> \"$root/calls\"\nfails() { [ -e \"$root/fail-$1\" ] && cat \"$root/fail-$1\" && rm \"$root/fail-$1\"; }\n";

    private const string NbdClient = """
        case "$1" in --help) cat "$root/help"; exit 0 ;; -V) cat "$root/version" 2>/dev/null; exit ;; esac
        detach=; for word in "$@"; do case "$word" in -d) detach=1 ;; /dev/nbd*) device=$word ;; esac; done
        block="$root/sys/block/$(basename "$device")"
        if [ -n "$detach" ]; then fails nbd-client-d && exit 1; rm -f "$block/pid"; echo 0 > "$block/size"; exit 0; fi
        fails nbd-client && exit 1
        echo 4711 > "$block/pid"; cat "$root/sectors" > "$block/size"
        fails nbd-client-late && exit 1
        exit 0
        """;

    private const string SwapOn = """
        fails swapon && exit 1
        for device; do :; done
        [ "$2" = -p ] || exit 9
        printf '%s\tpartition\t%s\t4096\t%s\n' "$device" 8188 "$3" >> "$root/proc/swaps"
        """;

    private const string SwapOff = """
        fails swapoff && exit 1
        grep -v "^$1[[:space:]]" "$root/proc/swaps" > "$root/left"; mv "$root/left" "$root/proc/swaps"
        """;

    private const string ModProbe = "fails modprobe && exit 1\nmkdir -p \"$root/dev\" \"$root/sys/block/nbd0\"; : > \"$root/dev/nbd0\"; echo 0 > \"$root/sys/block/nbd0/size\"";

    private readonly TestFolder _folder = new();

    /// <summary>A machine that lacks nothing: root, two devices, nbd-client 3.24.</summary>
    public FakeMachine()
    {
        Machine = new HostMachine(_folder.Path, [_folder.Combine("bin")]) { IsRoot = true, Name = "test-machine" };
        foreach (var device in (string[])["nbd0", "nbd1"])
        {
            Write($"dev/{device}", "");
            Write($"sys/block/{device}/size", "0\n");
        }

        Write("proc/swaps", "Filename\t\t\tType\t\tSize\t\tUsed\t\tPriority\n");
        Write("proc/meminfo", "MemTotal:          16384 kB\nMemFree: 1 kB\n");
        Write("etc/machine-id", "8f2d3a\n");
        Write("help", Netlink);
        Write("sectors", $"{SizeBytes / 512}\n");
        Program("nbd-client", NbdClient);
        Program("mkswap", "fails mkswap && exit 1\nexit 0");
        Program("swapon", SwapOn);
        Program("swapoff", SwapOff);
        Program("modprobe", ModProbe);
    }

    /// <summary>Bytes of the device that nbd-client attaches.</summary>
    public const long SizeBytes = 8 << 20;

    /// <summary>What the command is given.</summary>
    public HostMachine Machine { get; init; }

    /// <summary>How programs were called that change something, in order.</summary>
    public string[] Calls => File.Exists(_folder.Combine("calls"))
        ? [.. File.ReadAllLines(_folder.Combine("calls")).Where(call => call is not ("nbd-client --help" or "nbd-client -V"))]
        : [];

    /// <summary>The same machine, seen by somebody who is not root.</summary>
    public HostMachine AsUser => new(_folder.Path, [_folder.Combine("bin")]) { IsRoot = false };

    /// <summary>The same with another identity, as another machine of the network.</summary>
    public void Becomes(string machineId) => Write("etc/machine-id", machineId);

    /// <summary>Has a program fail once, with these words. nbd-client-d: when it detaches; nbd-client-late: after it has attached.</summary>
    public void Fails(string program, string words) => Write($"fail-{program}", words);

    /// <summary>Has this in a file of the machine.</summary>
    public void Write(string path, string text)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(_folder.Combine(path))!);
        File.WriteAllText(_folder.Combine(path), text);
    }

    /// <summary>What is in a file of the machine.</summary>
    public string Read(string path) => File.ReadAllText(_folder.Combine(path));

    /// <summary>Removes a file or a folder of the machine.</summary>
    public void Remove(string path)
    {
        if (Directory.Exists(_folder.Combine(path))) Directory.Delete(_folder.Combine(path), recursive: true);
        else File.Delete(_folder.Combine(path));
    }

    /// <summary>Whether nothing is attached, nothing is swap, and nothing is remembered.</summary>
    public bool IsAsBefore => !File.Exists(_folder.Combine("sys/block/nbd0/pid")) && !File.Exists(_folder.Combine("sys/block/nbd1/pid"))
        && File.ReadAllLines(_folder.Combine("proc/swaps")).Length == 1
        && (!Directory.Exists(_folder.Combine("run/grid-swap")) || Directory.GetFiles(_folder.Combine("run/grid-swap")).Length == 0);

    public void Dispose() => _folder.Dispose();

    private void Program(string name, string script)
    {
        Write($"bin/{name}", Begin + script + "\n");
        File.SetUnixFileMode(_folder.Combine($"bin/{name}"), UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
    }
}
