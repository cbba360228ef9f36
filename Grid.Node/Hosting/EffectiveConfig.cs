using System.Text;

namespace Grid.Node.Hosting;

/// <summary>What --print-config prints: valid HOCON, each setting with the layer that set it.</summary>
internal static class EffectiveConfig
{
    /// <summary>Every setting of the node and the operator's overrides of Akka's, secrets redacted.</summary>
    public static string Print(SettingLayers layers)
    {
        var text = new StringBuilder();
        foreach (var value in layers.Grid.Concat(layers.AkkaValues))
            text.Append(value.Path).Append(" = ").Append(Show(value)).Append("  # ").AppendLine(value.Source);
        return text.ToString();
    }

    private static string Show(SettingValue value)
    {
        if (value.IsEmptySection) return "{}";
        if (Secrets.IsSecret(value.Path) && value.Text.Length > 0) return HoconText.Quote(Secrets.Redacted);
        return value.List is { } list ? $"[{string.Join(", ", list.Select(HoconText.Quote))}]" : HoconText.Quote(value.Text);
    }
}
