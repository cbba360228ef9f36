using System.ComponentModel;
using System.Diagnostics;
using Xunit;

namespace Grid.Tests.Kubernetes;

/// <summary>Renders manifests as an operator does: <c>kubectl kustomize</c>.</summary>
internal static class Kustomize
{
    /// <summary>The manifests of a directory with a <c>kustomization.yaml</c>, as one text.</summary>
    public static async Task<string> RenderAsync(string directory)
    {
        var start = new ProcessStartInfo("kubectl", ["kustomize", directory]) { RedirectStandardOutput = true, RedirectStandardError = true };
        using var process = Start(start);
        var errors = process.StandardError.ReadToEndAsync();
        var text = await process.StandardOutput.ReadToEndAsync();
        await process.WaitForExitAsync();
        // Warnings, of fields that kustomize wants otherwise, are errors too.
        Assert.True(process.ExitCode == 0 && (await errors).Length == 0, $"kubectl kustomize {directory}: exit code {process.ExitCode}\n{await errors}");
        return text;
    }

    private static Process Start(ProcessStartInfo start)
    {
        try
        {
            return Process.Start(start)!;
        }
        catch (Win32Exception e)
        {
            throw new InvalidOperationException(
                "kubectl is missing, and without it nobody knows whether k8s/ is right. Install version 1.27 or newer: https://kubernetes.io/docs/tasks/tools/install-kubectl-linux/", e);
        }
    }
}
