using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace Grid.Cli;

/// <summary>Where a command prints: results to one writer, progress and errors to the other.</summary>
internal sealed class Output
{
    private static readonly JsonSerializerOptions JsonOptions = new(JsonSerializerDefaults.Web)
    {
        WriteIndented = true,
        DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
        Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping,
        Converters = { new JsonStringEnumConverter(JsonNamingPolicy.SnakeCaseLower) },
    };

    private readonly IAnsiConsole _console;

    /// <summary>Prints to these writers.</summary>
    /// <param name="standard">Results.</param>
    /// <param name="error">Progress and errors.</param>
    /// <param name="json">Whether results are JSON.</param>
    public Output(TextWriter standard, TextWriter error, bool json)
    {
        Standard = standard;
        Error = error;
        Json = json;
        ErrorIsTerminal = ReferenceEquals(error, Console.Error) && !Console.IsErrorRedirected;
        StandardIsTerminal = ReferenceEquals(standard, Console.Out) && !Console.IsOutputRedirected;
        _console = ConsoleOf(standard, StandardIsTerminal);
        ErrorConsole = ConsoleOf(error, ErrorIsTerminal);
    }

    /// <summary>Results.</summary>
    public TextWriter Standard { get; }

    /// <summary>Progress and errors.</summary>
    public TextWriter Error { get; }

    /// <summary>Whether results are JSON.</summary>
    public bool Json { get; }

    /// <summary>Whether somebody watches the results.</summary>
    public bool StandardIsTerminal { get; }

    /// <summary>Whether somebody watches the progress.</summary>
    public bool ErrorIsTerminal { get; }

    /// <summary>The error output as a console, for progress bars.</summary>
    public IAnsiConsole ErrorConsole { get; }

    /// <summary>Prints a result: as JSON where that was asked for, else as text.</summary>
    /// <param name="value">What becomes JSON.</param>
    /// <param name="text">The text.</param>
    public void Result<T>(T value, string text)
    {
        if (Json) WriteJson(value);
        else Standard.WriteLine(text);
    }

    /// <summary>Prints a value as JSON.</summary>
    /// <param name="value">The value.</param>
    public void WriteJson<T>(T value) => Standard.WriteLine(JsonSerializer.Serialize(value, JsonOptions));

    /// <summary>Prints a table: columns of text, numbers to the right, no frame.</summary>
    /// <param name="columns">The headings; one that begins with '&gt;' is a column of numbers.</param>
    /// <param name="rows">The rows.</param>
    /// <param name="dispensable">Headings of columns that are left out, in this order, until the rest fits a narrow terminal.</param>
    public void WriteTable(IReadOnlyList<string> columns, IEnumerable<IReadOnlyList<string>> rows, IReadOnlyList<string>? dispensable = null)
    {
        if (dispensable is not null) (columns, rows) = TableFit.To(_console.Profile.Width, columns, [.. rows], dispensable);
        var table = new Table { Border = TableBorder.None, ShowHeaders = true };
        foreach (var heading in columns)
        {
            var number = heading.StartsWith('>');
            var title = Markup.Escape(number ? heading[1..] : heading);
            table.AddColumn(new TableColumn(StandardIsTerminal ? $"[bold]{title}[/]" : title)
            {
                Alignment = number ? Justify.Right : Justify.Left,
                NoWrap = true,
                Padding = new Padding(0, 0, 2, 0),
            });
        }

        foreach (var row in rows) table.AddRow(row.Select(cell => (IRenderable)new Text(cell)));
        Write(table);
    }

    /// <summary>Prints what needs attention.</summary>
    /// <param name="text">One line.</param>
    public void WriteWarning(string text) => WriteStyled($"! {text}", "yellow");

    /// <summary>Prints a line, on a terminal in a style such as "bold" or "green".</summary>
    /// <param name="text">The line.</param>
    /// <param name="style">The style, in Spectre's words.</param>
    public void WriteStyled(string text, string style)
    {
        if (StandardIsTerminal) _console.MarkupLine($"[{style}]{Markup.Escape(text)}[/]");
        else Standard.WriteLine(text);
    }

    /// <summary>Prints sentences, folded between words on a terminal.</summary>
    /// <param name="text">The sentences.</param>
    public void WriteParagraph(string text)
    {
        if (StandardIsTerminal) _console.WriteLine(text);
        else Standard.WriteLine(text);
    }

    /// <summary>Prints names and values in two columns.</summary>
    /// <param name="pairs">The pairs.</param>
    public void WritePairs(IEnumerable<(string Name, string Value)> pairs)
    {
        var grid = new Spectre.Console.Grid().AddColumn(new GridColumn { NoWrap = true, Padding = new Padding(0, 0, 2, 0) }).AddColumn(new GridColumn { Padding = new Padding(0, 0, 0, 0) });
        foreach (var (name, value) in pairs) grid.AddRow(new Text(name, StandardIsTerminal ? new Style(decoration: Decoration.Dim) : Style.Plain), new Text(value));
        Write(grid);
    }

    private void Write(IRenderable renderable)
    {
        if (StandardIsTerminal)
        {
            _console.Write(renderable);
            return;
        }

        // Columns are padded to their width; what reads a pipe has no use for that at a line's end.
        using var text = new StringWriter();
        ConsoleOf(text, terminal: false).Write(renderable);
        foreach (var line in text.ToString().TrimEnd().Split('\n')) Standard.WriteLine(line.TrimEnd());
    }

    private static IAnsiConsole ConsoleOf(TextWriter writer, bool terminal)
    {
        var console = AnsiConsole.Create(new AnsiConsoleSettings
        {
            Ansi = terminal ? AnsiSupport.Detect : AnsiSupport.No,
            Interactive = terminal ? InteractionSupport.Detect : InteractionSupport.No,
            ColorSystem = terminal ? ColorSystemSupport.Detect : ColorSystemSupport.NoColors,
            Out = new AnsiConsoleOutput(writer),
        });
        // A pipe or a file has no width that lines would have to be folded to.
        if (!terminal) console.Profile.Width = 1000;
        return console;
    }
}
