namespace Grid.Cli;

/// <summary>Makes a table fit: columns that one can do without go, not the ends of words.</summary>
internal static class TableFit
{
    private const int Gap = 2;

    /// <summary>The table without as many of the dispensable columns as do not fit.</summary>
    /// <param name="width">Columns of the terminal.</param>
    /// <param name="columns">The headings, as <see cref="Output.WriteTable"/> takes them.</param>
    /// <param name="rows">The rows.</param>
    /// <param name="dispensable">Headings, the first to go first.</param>
    public static (IReadOnlyList<string> Columns, IReadOnlyList<IReadOnlyList<string>> Rows) To(
        int width, IReadOnlyList<string> columns, IReadOnlyList<IReadOnlyList<string>> rows, IReadOnlyList<string> dispensable)
    {
        foreach (var heading in dispensable)
        {
            if (WidthOf(columns, rows) <= width) break;
            var gone = columns.Index().First(column => column.Item.TrimStart('>') == heading).Index;
            columns = Without(columns, gone);
            rows = [.. rows.Select(row => Without(row, gone))];
        }

        return (columns, rows);
    }

    private static int WidthOf(IReadOnlyList<string> columns, IReadOnlyList<IReadOnlyList<string>> rows) =>
        columns.Index().Sum(column => rows.Select(row => row[column.Index].Length).Append(column.Item.TrimStart('>').Length).Max() + Gap);

    private static string[] Without(IReadOnlyList<string> cells, int index) => [.. cells.Where((_, i) => i != index)];
}
