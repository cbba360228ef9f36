using System.Diagnostics;
using Grid.Tests.Harness;
using Grid.Tests.Hosting;
using Xunit;
using Xunit.Abstractions;

namespace Grid.Tests.Frontends.Nbd;

/// <summary>A virtual machine under QEMU without hardware help: Debian's cloud kernel, and an initramfs that is made here with a script as its first program. Its console is read line by line.</summary>
internal sealed class VmGuest : IAsyncDisposable
{
    /// <summary>Memory of the guest.</summary>
    public const int MemoryMiB = 160;

    private readonly Process _qemu;
    private readonly TestFolder _folder;
    private readonly ITestOutputHelper _output;
    private readonly Stopwatch _clock = Stopwatch.StartNew();

    private VmGuest(Process qemu, TestFolder folder, ITestOutputHelper output)
    {
        (_qemu, _folder, _output) = (qemu, folder, output);
        qemu.OutputDataReceived += (_, e) => Add(e.Data);
        qemu.ErrorDataReceived += (_, e) => Add(e.Data);
        qemu.BeginOutputReadLine();
        qemu.BeginErrorReadLine();
    }

    /// <summary>What the guest has printed, and QEMU.</summary>
    public LogTail Console { get; } = new();

    /// <summary>Boots a guest that runs this script.</summary>
    /// <param name="output">Where its console goes as well.</param>
    /// <param name="script">Lines for busybox's shell; $B is busybox, /swap-guest the program that fills memory.</param>
    /// <param name="qemu">What QEMU is told beside what all guests are.</param>
    public static async Task<VmGuest> BootAsync(ITestOutputHelper output, string script, params string[] qemu)
    {
        var folder = new TestFolder();
        try
        {
            var kernel = (await Tool.RunAsync(output, Path.Combine(Repository.Root, "scripts", "vm-kernel.sh"), Path.Combine(Repository.Root, "artifacts", "vm"))).Succeeds().Text.Split('\n')[0];
            await PackAsync(output, folder, kernel, script);
            string[] all =
            [
                "-accel", "tcg,thread=multi", "-cpu", "max", "-m", $"{MemoryMiB}", "-smp", "1", "-nodefaults", "-no-user-config", "-no-reboot", "-display", "none", "-serial", "stdio",
                "-kernel", Path.Combine(kernel, "vmlinuz"), "-initrd", folder.Combine("initramfs"), "-append", "console=ttyS0 loglevel=4 panic=1", .. qemu,
            ];
            var process = Process.Start(new ProcessStartInfo("qemu-system-x86_64", all) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true })
                ?? throw new InvalidOperationException("QEMU did not start");
            OwnedProcesses.Add(process.Id);
            return new VmGuest(process, folder, output);
        }
        catch
        {
            folder.Dispose();
            throw;
        }
    }

    /// <summary>Waits until the guest has printed a line that begins so, and gives it; fails at once where something went wrong in the guest.</summary>
    public async Task<string> SaysAsync(string begin, TimeSpan deadline)
    {
        string? line = null;
        await Eventually.TrueAsync(
            () =>
            {
                line = Console.Lines().LastOrDefault(text => text.StartsWith(begin, StringComparison.Ordinal));
                if (line is not null) return true;
                AssertWell();
                Assert.False(_qemu.HasExited, $"the guest has ended:\n{Console.Tail()}");
                return false;
            },
            $"the guest says {begin}", deadline, () => Console.Tail());
        return line!;
    }

    /// <summary>Gives the guest's program a line.</summary>
    public async Task TellAsync(string line)
    {
        await _qemu.StandardInput.WriteLineAsync(line);
        await _qemu.StandardInput.FlushAsync();
    }

    /// <summary>Waits until the guest has switched itself off.</summary>
    public Task EndsAsync(TimeSpan deadline) => Eventually.TrueAsync(() => _qemu.HasExited, "the guest switches itself off", deadline, () => Console.Tail());

    /// <summary>Nothing was wrong in the guest so far: no byte, no request of the device's, and no kernel in panic.</summary>
    public void AssertWell()
    {
        foreach (var sign in (string[])["WRONG", "I/O error", "-error on swap-device", "Kernel panic", "Out of memory", "FAILED:"])
            Assert.False(Console.Lines().Any(line => line.Contains(sign, StringComparison.Ordinal)), $"the guest said {sign}:\n{Console.Tail()}");
    }

    public async ValueTask DisposeAsync()
    {
        await OwnedProcesses.EndAsync(_qemu);
        _folder.Dispose();
    }

    private static async Task PackAsync(ITestOutputHelper output, TestFolder folder, string kernel, string script)
    {
        var init = $"""
            #!/busybox sh
            B=/busybox
            $B mount -t proc proc /proc; $B mount -t sysfs sys /sys; $B mount -t devtmpfs dev /dev
            fail() {"{"} echo "FAILED: $*"; $B poweroff -f; {"}"}
            for module in virtio_blk failover net_failover virtio_net nbd; do [ ! -e /modules/$module.ko ] || $B insmod /modules/$module.ko || fail "insmod $module"; done
            {script}
            $B poweroff -f
            """;
        var root = Directory.CreateDirectory(folder.Combine("root")).FullName;
        foreach (var name in (string[])["proc", "sys", "dev", "lib", "lib64", "modules"]) Directory.CreateDirectory(Path.Combine(root, name));
        foreach (var module in Directory.GetFiles(Path.Combine(kernel, "modules"))) File.Copy(module, Path.Combine(root, "modules", Path.GetFileName(module)));
        foreach (var library in Directory.GetFiles(Path.Combine(kernel, "lib"))) File.Copy(library, Path.Combine(root, "lib", Path.GetFileName(library)));
        // The loader's own place; every other library is found in /lib.
        File.CreateSymbolicLink(Path.Combine(root, "lib64", "ld-linux-x86-64.so.2"), "/lib/ld-linux-x86-64.so.2");
        File.Copy(Path.Combine(kernel, "nbd-client"), Path.Combine(root, "nbd-client"));
        File.Copy(File.Exists("/bin/busybox") ? "/bin/busybox" : "/usr/bin/busybox", Path.Combine(root, "busybox"));
        await File.WriteAllTextAsync(Path.Combine(root, "init"), init);
        File.SetUnixFileMode(Path.Combine(root, "init"), (UnixFileMode)Convert.ToInt32("755", 8));
        var source = Path.Combine(Repository.Root, "Grid.Tests", "Frontends", "Nbd", "swap-guest.c");
        (await Tool.RunAsync(output, "gcc", "-O2", "-Wall", "-Werror", "-static", "-o", Path.Combine(root, "swap-guest"), source)).Succeeds();
        (await Tool.RunAsync(output, "/bin/sh", "-c", $"cd '{root}' && find . | cpio -o -H newc --quiet > '{folder.Combine("initramfs")}'")).Succeeds();
    }

    private void Add(string? line)
    {
        if (line is null) return;
        Console.Add(line.Trim());
        _output.WriteLine($"{_clock.Elapsed.TotalSeconds,6:0.0} s  {line.Trim()}");
    }
}
