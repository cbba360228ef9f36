using System.Collections.Concurrent;
using System.Diagnostics;

namespace Grid.Tests.Harness;

/// <summary>The processes and folders this test run owns: whatever is left when it exits is removed, by pid and by path.</summary>
internal static class OwnedProcesses
{
    private static readonly ConcurrentDictionary<int, bool> Pids = new();
    private static readonly ConcurrentDictionary<string, bool> Folders = new();

    static OwnedProcesses() => AppDomain.CurrentDomain.ProcessExit += (_, _) => RemoveAll();

    public static void Add(int pid) => Pids.TryAdd(pid, true);

    public static void Remove(int pid) => Pids.TryRemove(pid, out _);

    /// <summary>Ends a process that was added, if it still runs, and lets go of it.</summary>
    public static async Task EndAsync(Process process)
    {
        if (!process.HasExited)
        {
            Signals.Send(process.Id, Signals.Kill);
            await process.WaitForExitAsync();
        }

        Remove(process.Id);
        process.Dispose();
    }

    public static void AddFolder(string path) => Folders.TryAdd(path, true);

    public static void RemoveFolder(string path)
    {
        if (!Folders.TryRemove(path, out _)) return;
        if (Directory.Exists(path)) Directory.Delete(path, recursive: true);
    }

    private static void RemoveAll()
    {
        foreach (var pid in Pids.Keys) Signals.Send(pid, Signals.Kill);
        foreach (var folder in Folders.Keys)
        {
            try
            {
                RemoveFolder(folder);
            }
            catch (IOException e)
            {
                Console.Error.WriteLine($"left behind: {folder}: {e.Message}");
            }
        }
    }
}
