using Grid.Tests.Harness;
using Microsoft.Data.Sqlite;
using Xunit;
using Xunit.Abstractions;

namespace Grid.Tests.Faults;

/// <summary>What happens to a file. (A full disk: Limits/BadSurroundingsTests.)</summary>
public sealed class SqliteFaultTests(ITestOutputHelper output)
{
    [Fact]
    public async Task A_file_that_another_program_keeps_locked()
    {
        await using var faulty = await FaultyJournal.StartAsync(NodeSetup.Default, output);
        await using (var other = new SqliteConnection($"Data Source={Path.Combine(faulty.Node.DataDirectory, "grid.db")};Pooling=False"))
        {
            await other.OpenAsync();
            await using var begin = other.CreateCommand();
            begin.CommandText = "BEGIN IMMEDIATE";
            await begin.ExecuteNonQueryAsync();
            await faulty.AssertDownAsync();
        }

        await faulty.AssertBackAsync();
    }
}
