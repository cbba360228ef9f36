using System.Reflection;

namespace Grid.Node.Hosting;

/// <summary>The program's version.</summary>
internal static class ProgramVersion
{
    /// <summary>As --version prints it, without the build's metadata.</summary>
    public static string Text { get; } =
        typeof(ProgramVersion).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()!.InformationalVersion.Split('+')[0];
}
