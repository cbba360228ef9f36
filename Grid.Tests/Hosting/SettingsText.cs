using Grid.Node.Hosting;
using Xunit;

namespace Grid.Tests.Hosting;

/// <summary>Reads settings as the node does, from layers given as texts.</summary>
internal static class SettingsText
{
    public const long MachineBytes = 8L << 30;

    public static SettingLayers Layers(string[]? files = null, (string Name, string Value)[]? environment = null, (string Name, string Value)[]? set = null)
    {
        return SettingLayers.Load(
            files ?? [],
            (environment ?? []).Select(pair => KeyValuePair.Create(pair.Name, pair.Value)),
            (set ?? []).Select(pair => KeyValuePair.Create(pair.Name, pair.Value)));
    }

    public static GridSettings Read(string hocon)
    {
        return GridSettingsReader.Read(SettingLayers.Load(hocon), "/base", MachineBytes);
    }

    public static GridSettings Read(SettingLayers layers)
    {
        return GridSettingsReader.Read(layers, "/base", MachineBytes);
    }

    public static StartupException Refused(string hocon)
    {
        var refusal = Assert.Throws<StartupException>(() => AkkaConfig.Build(Read(hocon)));
        Assert.Equal(ExitCodes.BadSettings, refusal.ExitCode);
        Assert.DoesNotContain('\n', refusal.Message);
        return refusal;
    }
}
