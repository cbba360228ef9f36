using Akka.Configuration;
using Akka.Configuration.Hocon;

namespace Grid.Node.Hosting;

/// <summary>One value of a configuration and the layer that set it.</summary>
/// <param name="Path">Full name, e.g. <c>grid.gateway.port</c>.</param>
/// <param name="Text">The value; elements of a list are joined by ", ".</param>
/// <param name="List">The elements, if it is a list.</param>
/// <param name="Source">The layer: a file, an environment variable, --set.</param>
internal sealed record SettingValue(string Path, string Text, IReadOnlyList<string>? List, string Source)
{
    /// <summary>Whether it is "{}": a section with nothing in it.</summary>
    public bool IsEmptySection { get; init; }
}

/// <summary>
/// Parses HOCON more strictly than Akka's parser, which takes an unclosed brace, a missing value or "${?x}" for something else
/// and says nothing. Includes are relative to the including file.
/// </summary>
internal static class HoconText
{
    private const int DepthMax = 32;

    /// <summary>
    /// What a module's defaults say of actors: its serializers, above all. Akka adds them when the module is first used, which is too late for what other nodes have sent before.
    /// </summary>
    /// <param name="defaults">The module's defaults.</param>
    public static Config ActorSection(Config defaults) => ConfigurationFactory.ParseString($"akka.actor {{ {defaults.GetConfig("akka.actor")} }}");

    /// <summary>Parses a file.</summary>
    public static HoconRoot ParseFile(string path)
    {
        return ParseFile(Path.GetFullPath(path), path, 0);
    }

    /// <summary>Parses a text.</summary>
    /// <param name="text">The text.</param>
    /// <param name="source">What to call it in errors.</param>
    public static HoconRoot Parse(string text, string source)
    {
        return Parse(text, source, name => throw StartupException.Setting($"{source}: include \"{name}\" works in files only"));
    }

    /// <summary>A text as a HOCON value: as it is when it looks like a list, object or quoted string, quoted otherwise.</summary>
    public static string Literal(string value)
    {
        return value.Length > 0 && value[0] is '[' or '{' or '"' ? value : Quote(value);
    }

    /// <summary>A text as a quoted HOCON string.</summary>
    public static string Quote(string value)
    {
        return $"\"{value.Replace("\\", "\\\\").Replace("\"", "\\\"")}\"";
    }

    /// <summary>The leaves below a value.</summary>
    public static IEnumerable<SettingValue> Flatten(HoconValue value, string path, string source)
    {
        return Flatten(value, path, source, 0);
    }

    private static IEnumerable<SettingValue> Flatten(HoconValue value, string path, string source, int depth)
    {
        if (depth > DepthMax) throw StartupException.Setting($"{source}: {path.Split('.')[0]} is nested without end (a substitution that contains itself?)");
        if (value.IsObject())
        {
            var items = value.GetObject().Items;
            if (items.Count == 0 && path.Length > 0)
                yield return new SettingValue(path, "{}", null, source) { IsEmptySection = true };
            foreach (var (key, child) in items)
                foreach (var leaf in Flatten(child, path.Length == 0 ? key : $"{path}.{key}", source, depth + 1))
                    yield return leaf;
        }
        else if (value.IsArray())
        {
            var list = value.GetArray().Select(element => element.IsObject() ? element.ToString() : element.GetString()).ToArray();
            yield return new SettingValue(path, string.Join(", ", list), list, source);
        }
        else if (value.IsEmpty || !value.IsString())
        {
            // Akka's parser makes an empty list a value that is neither string nor list.
            if (value.IsEmpty) throw StartupException.Setting($"{source}: {path} has no value");
            yield return new SettingValue(path, "", [], source);
        }
        else
        {
            yield return new SettingValue(path, value.GetString(), null, source);
        }
    }

    private static HoconRoot ParseFile(string fullPath, string name, int depth)
    {
        if (depth > DepthMax) throw StartupException.Setting($"{name}: includes itself");
        string text;
        try
        {
            text = File.ReadAllText(fullPath);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw StartupException.Setting($"cannot read configuration file {name}: {e.Message}", e);
        }
        var directory = Path.GetDirectoryName(fullPath)!;
        return Parse(text, name, include => ParseFile(Path.Combine(directory, include), include, depth + 1));
    }

    private static HoconRoot Parse(string text, string source, Func<string, HoconRoot> include)
    {
        CheckShape(text, source);
        try
        {
            return Parser.Parse(text, include);
        }
        catch (Exception e) when (e is not StartupException and not OutOfMemoryException)
        {
            throw StartupException.Setting($"{source}: not valid HOCON: {e.Message}", e);
        }
    }

    private static void CheckShape(string text, string source)
    {
        var open = new Stack<(char Bracket, int Line)>();
        var line = 1;
        for (var i = 0; i < text.Length; i++)
        {
            var c = text[i];
            if (c == '\n') line++;
            else if (c == '#' || (c == '/' && i + 1 < text.Length && text[i + 1] == '/')) i = EndOfLine(text, i);
            else if (c == '"') i = EndOfString(text, i, source, ref line);
            else if (c == '$' && text.AsSpan(i).StartsWith("${?"))
                throw StartupException.Setting($"{source}, line {line}: optional substitutions (${{?...}}) are not supported; the environment overrides settings as GRID__SECTION__NAME");
            else if (c is '{' or '[') open.Push((c, line));
            else if (c is '}' or ']')
            {
                if (!open.TryPop(out var opened) || (opened.Bracket == '{') != (c == '}'))
                    throw StartupException.Setting($"{source}, line {line}: '{c}' closes nothing");
            }
        }
        if (open.TryPeek(out var left)) throw StartupException.Setting($"{source}, line {left.Line}: '{left.Bracket}' is never closed");
    }

    private static int EndOfLine(string text, int from)
    {
        var end = text.IndexOf('\n', from);
        return end < 0 ? text.Length : end - 1;
    }

    private static int EndOfString(string text, int from, string source, ref int line)
    {
        if (text.AsSpan(from).StartsWith("\"\"\""))
        {
            var end = text.IndexOf("\"\"\"", from + 3, StringComparison.Ordinal);
            if (end < 0) throw StartupException.Setting($"{source}, line {line}: a string is never closed");
            line += text.AsSpan(from, end - from).Count('\n');
            return end + 2;
        }
        for (var i = from + 1; i < text.Length && text[i] != '\n'; i++)
        {
            if (text[i] == '\\') i++;
            else if (text[i] == '"') return i;
        }
        throw StartupException.Setting($"{source}, line {line}: a string is never closed");
    }
}
