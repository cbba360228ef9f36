using System.Reflection;
using Akka.Configuration;

namespace Grid.Node.Hosting;

/// <summary>
/// The configuration's layers laid over each other: defaults, files, environment, command line. Of <c>grid</c> every value is
/// known with its source; of <c>akka</c> what the operator added, checked against <see cref="AkkaSafety"/>.
/// </summary>
internal sealed class SettingLayers
{
    private const string EnvironmentPrefix = "GRID__";
    private readonly Dictionary<string, SettingValue> _grid = new(StringComparer.Ordinal);
    private readonly SortedDictionary<string, SettingValue> _akka = new(StringComparer.Ordinal);
    private readonly HashSet<string> _known;

    private SettingLayers()
    {
        var defaults = HoconText.Parse(Resource("default.conf"), "default.conf");
        foreach (var value in HoconText.Flatten(defaults.Value, "", "default")) _grid[value.Path] = value;
        _known = [.. _grid.Keys];
    }

    /// <summary>Names of all settings there are.</summary>
    public IReadOnlySet<string> Known => _known;

    /// <summary>Every setting with its value, sorted by name.</summary>
    public IEnumerable<SettingValue> Grid => _grid.Values.OrderBy(value => value.Path, StringComparer.Ordinal);

    /// <summary>What the operator set under <c>akka</c>.</summary>
    public IReadOnlyCollection<SettingValue> AkkaValues => _akka.Values;

    /// <summary>The same as a configuration.</summary>
    public Config Akka { get; private set; } = Config.Empty;

    /// <summary>Lays the layers over each other.</summary>
    /// <param name="files">Configuration files, later ones win.</param>
    /// <param name="environment">Environment variables; those that do not begin with GRID__ are passed over.</param>
    /// <param name="overrides">Name and value of every --set.</param>
    /// <exception cref="StartupException">A file cannot be read or parsed, or a setting is unknown.</exception>
    public static SettingLayers Load(
        IEnumerable<string> files,
        IEnumerable<KeyValuePair<string, string>> environment,
        IEnumerable<KeyValuePair<string, string>> overrides)
    {
        var layers = new SettingLayers();
        foreach (var file in files)
            layers.Add(new Config(HoconText.ParseFile(file)), file);
        foreach (var (name, value) in environment.OrderBy(pair => pair.Key, StringComparer.Ordinal))
            if (name.StartsWith(EnvironmentPrefix, StringComparison.OrdinalIgnoreCase))
                layers.AddOne(PathOfVariable(name), value, $"environment {name}");
        foreach (var (path, value) in overrides)
            layers.AddOne(path, value, "--set");
        AkkaSafety.Check(layers._akka.Values);
        return layers;
    }

    /// <summary>Lays one text over the defaults.</summary>
    public static SettingLayers Load(string hocon)
    {
        var layers = new SettingLayers();
        layers.Add(new Config(HoconText.Parse(hocon, "text")), "text");
        AkkaSafety.Check(layers._akka.Values);
        return layers;
    }

    /// <summary>The value of a setting.</summary>
    public SettingValue this[string path] => _grid[path];

    /// <summary>A configuration file that lies inside the program.</summary>
    public static string Resource(string name)
    {
        using var stream = Assembly.GetExecutingAssembly().GetManifestResourceStream($"hocon/{name}")
            ?? throw new InvalidOperationException($"the program lacks its {name}");
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }

    private static string PathOfVariable(string name)
    {
        var path = name[EnvironmentPrefix.Length..].Replace("__", ".").Replace('_', '-').ToLowerInvariant();
        return $"grid.{path}";
    }

    private void AddOne(string path, string value, string source)
    {
        if (path.Length == 0 || path.Split('.').Any(part => part.Length == 0 || part.Any(c => !char.IsAsciiLetterOrDigit(c) && c is not ('-' or '_' or '*'))))
            throw StartupException.Setting($"{source}: \"{path}\" is not the name of a setting");
        Add(new Config(HoconText.Parse($"{path} = {HoconText.Literal(value)}", source)), source);
    }

    private void Add(Config config, string source)
    {
        var akka = false;
        foreach (var value in HoconText.Flatten(config.Root, "", source))
        {
            var root = value.Path.Split('.')[0];
            if (root == "akka")
            {
                akka = true;
                _akka[value.Path] = value;
            }
            else if (root != "grid") throw StartupException.Setting($"unknown setting {value.Path} ({source}): a node's settings stand under grid, overrides of Akka's under akka");
            else if (_known.Contains(value.Path)) _grid[value.Path] = value;
            else if (!IsSection(value.Path) || !value.IsEmptySection) throw Unknown(value);
        }
        if (akka) Akka = config.WithFallback(Akka);
    }

    private bool IsSection(string path)
    {
        return _known.Any(name => name.StartsWith(path + ".", StringComparison.Ordinal));
    }

    private StartupException Unknown(SettingValue value)
    {
        if (IsSection(value.Path)) return StartupException.Setting($"{value.Path} ({value.Source}) is a section, it cannot be a value");
        var parent = _known.FirstOrDefault(name => value.Path.StartsWith(name + ".", StringComparison.Ordinal));
        if (parent != null) return StartupException.Setting($"{parent} ({value.Source}) is a value, it has no {value.Path[(parent.Length + 1)..]}");
        return StartupException.Setting($"unknown setting {value.Path} ({value.Source}): did you mean {Spelling.Nearest(value.Path, _known)}?");
    }
}
