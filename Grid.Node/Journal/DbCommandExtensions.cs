using System.Data.Common;
using System.Globalization;

namespace Grid.Node.Journal;

/// <summary>Short forms for commands with parameters.</summary>
internal static class DbCommandExtensions
{
    /// <summary>Makes a command.</summary>
    public static DbCommand Command(this DbConnection connection, DbTransaction? transaction, string text)
    {
        var command = connection.CreateCommand();
        command.CommandText = text;
        command.Transaction = transaction;
        return command;
    }

    /// <summary>Adds a parameter.</summary>
    public static DbCommand Add(this DbCommand command, string name, object value)
    {
        var parameter = command.CreateParameter();
        parameter.ParameterName = name;
        parameter.Value = value;
        command.Parameters.Add(parameter);
        return command;
    }

    /// <summary>The one number a query gives; null where it gives none.</summary>
    public static long? Number(this DbCommand command) =>
        command.ExecuteScalar() is { } value and not DBNull ? Convert.ToInt64(value, CultureInfo.InvariantCulture) : null;
}
