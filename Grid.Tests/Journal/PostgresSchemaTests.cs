using Grid.Node.Journal;
using Grid.Protocol;
using Grid.Tests.Harness;
using Grid.Tests.Hosting;
using Npgsql;
using Xunit;

namespace Grid.Tests.Journal;

/// <summary>Roles, scripts, durability and secrets: what is checked of PostgreSQL alone.</summary>
[Collection(OnPostgres.Name)]
public sealed class PostgresSchemaTests(PostgresServer server)
{
    private static string ScriptFile => Path.Combine(Repository.Root, "docs", "postgresql-schema.sql");

    [Fact]
    public async Task The_documented_script_is_what_the_node_does()
    {
        Assert.Equal(JournalSchema.Script(JournalProvider.PostgreSql), await File.ReadAllTextAsync(ScriptFile));
        var (byNode, byScript) = (await OptionsAsync(), await OptionsAsync());
        await JournalSchema.EnsureAsync(byNode);
        await RunScriptAsync(byScript);
        await RunScriptAsync(byScript);
        await JournalSchema.VerifyAsync(byScript);
        var shape = await ShapeAsync(byNode);
        Assert.Equal(shape, await ShapeAsync(byScript));
        Assert.Contains("journal.message bytea", shape, StringComparison.Ordinal);
        Assert.Matches("journal: .*autovacuum_vacuum_cost_delay=0.*, beside it .*autovacuum_vacuum_cost_delay=0", shape);
    }

    [Fact]
    public async Task A_role_that_may_only_read_and_write_rows_serves_where_the_tables_are()
    {
        var owner = await OptionsAsync();
        await RunScriptAsync(owner);
        var options = await RestrictedAsync(owner, "SELECT, INSERT, UPDATE, DELETE");
        await JournalSchema.EnsureAsync(options);
        using var reader = new JournalReader(options);
        await reader.ProbeAsync();
        Assert.Equal(0, await reader.CountPagesAsync(new PoolId(1)));
    }

    [Fact]
    public async Task A_role_that_may_not_make_tables_is_told_who_must()
    {
        var owner = await OptionsAsync();
        var options = await RestrictedAsync(owner, null);
        var failure = await Assert.ThrowsAsync<JournalSetupException>(() => JournalSchema.EnsureAsync(options));
        Assert.Contains("postgresql-schema.sql", failure.Message, StringComparison.Ordinal);
        Assert.Contains("permission denied for schema public", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_right_that_is_missing_is_named()
    {
        var owner = await OptionsAsync();
        await RunScriptAsync(owner);
        var options = await RestrictedAsync(owner, "SELECT, INSERT, UPDATE");
        var failure = await Assert.ThrowsAsync<JournalSetupException>(() => JournalSchema.EnsureAsync(options));
        Assert.Contains("DELETE on journal,", failure.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("INSERT", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Tables_in_a_schema_of_their_own_are_found_by_the_search_path()
    {
        var owner = await OptionsAsync();
        await server.ExecuteAsync("CREATE SCHEMA pages", owner.ConnectionString);
        var options = owner with { ConnectionString = new NpgsqlConnectionStringBuilder(owner.ConnectionString) { SearchPath = "pages" }.ConnectionString };
        await JournalSchema.EnsureAsync(options);
        Assert.Equal(3L, await server.ScalarAsync("SELECT count(*) FROM pg_tables WHERE schemaname = 'pages'", owner.ConnectionString));
        await JournalSchema.VerifyAsync(options);
    }

    [Fact]
    public async Task Nodes_that_start_together_make_the_tables_once()
    {
        var options = await OptionsAsync();
        await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => JournalSchema.EnsureAsync(options)));
        await JournalSchema.VerifyAsync(options);
    }

    [Fact]
    public async Task A_commit_that_would_not_be_durable_is_refused()
    {
        var options = await OptionsAsync();
        await JournalSchema.EnsureAsync(options);
        var lax = options with { ConnectionString = options.ConnectionString + ";Options=\"-c synchronous_commit=off\"" };
        var failure = await Assert.ThrowsAsync<JournalSetupException>(() => JournalSchema.EnsureAsync(lax));
        Assert.Contains("synchronous_commit", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Sessions_end_in_time_and_those_that_read_cannot_write()
    {
        var options = await OptionsAsync();
        await JournalSchema.EnsureAsync(options);
        var database = JournalDatabase.For(options);
        await using var writer = database.OpenWriter();
        Assert.Equal("5s", Show(writer, "statement_timeout"));
        Assert.Equal("3s", Show(writer, "idle_in_transaction_session_timeout"));
        Assert.Equal("5000", Show(writer, "tcp_user_timeout"));
        Assert.Equal("off", Show(writer, "default_transaction_read_only"));
        await using var reader = database.OpenReader();
        Assert.Equal("on", Show(reader, "default_transaction_read_only"));
    }

    [Theory]
    [InlineData("Host=db;Pasword=hunter2", "entry 2 of 2")]
    [InlineData("Host=db;Password=hunter;2;Username=grid", "can't be read")]
    [InlineData("Host=db;Password=x;hunter2=y", "entry 3 of 3")]
    [InlineData("Host=db;Port=hunter2", "entry 2 of 2")]
    public void A_connection_string_that_cannot_be_read_is_not_repeated(string text, string says)
    {
        var failure = Assert.Throws<JournalSetupException>(() => JournalDatabase.For(new JournalOptions { Provider = JournalProvider.PostgreSql, ConnectionString = text }));
        Assert.Contains(says, failure.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("hunter", failure.ToString(), StringComparison.OrdinalIgnoreCase);
    }

    [Fact]
    public void Fewer_connections_than_it_takes_are_refused()
    {
        var options = new JournalOptions { Provider = JournalProvider.PostgreSql, ConnectionString = "Host=db;Maximum Pool Size=4" };
        JournalDatabase.For(options);
        var failure = Assert.Throws<JournalSetupException>(() => JournalDatabase.For(options with { ConnectionString = "Host=db;Maximum Pool Size=3" }));
        Assert.Contains("Maximum Pool Size", failure.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Neither_settings_nor_Akka_s_configuration_hold_the_password_where_they_are_printed()
    {
        var options = new JournalOptions { Provider = JournalProvider.PostgreSql, ConnectionString = "Host=db;Username=grid;Password=\"p\\q\"" };
        var config = JournalConfig.Akka(options);
        JournalConfig.Verify(config);
        Assert.DoesNotContain("p\\q", config.Root.ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain("p\\q", options.ToString(), StringComparison.Ordinal);
        var settings = SettingsText.Read("grid.journal { provider = postgresql, connection-string = \"Host=db;Password=hunter2\" }");
        Assert.DoesNotContain("hunter2", settings.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_wrong_password_is_said_and_not_printed()
    {
        var options = await OptionsAsync();
        var wrong = options with { ConnectionString = new NpgsqlConnectionStringBuilder(options.ConnectionString) { Password = "hunter2" }.ConnectionString };
        var failure = await Assert.ThrowsAsync<JournalUnavailableException>(() => JournalSchema.EnsureAsync(wrong));
        Assert.Contains("password authentication failed", failure.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("hunter2", failure.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_server_that_is_not_there_is_said()
    {
        var options = new JournalOptions { Provider = JournalProvider.PostgreSql, ConnectionString = $"Host=127.0.0.1;Port={PostgresTools.FreePort()};Password={PostgresServer.Password.Split(';')[0]}" };
        var failure = await Assert.ThrowsAsync<JournalUnavailableException>(() => JournalSchema.EnsureAsync(options));
        Assert.Contains("Connection refused", failure.Message, StringComparison.Ordinal);
    }

    private static string? Show(System.Data.Common.DbConnection connection, string setting)
    {
        using var command = connection.Command(null, $"SHOW {setting}");
        return command.ExecuteScalar() as string;
    }

    private async Task<JournalOptions> OptionsAsync() => new()
    {
        Provider = JournalProvider.PostgreSql,
        ConnectionString = await server.NewDatabaseAsync(),
        WriteTimeout = TimeSpan.FromSeconds(5),
    };

    /// <summary>The same database for a role that may do what is granted on the tables, and nothing else.</summary>
    private async Task<JournalOptions> RestrictedAsync(JournalOptions owner, string? rights)
    {
        var role = $"role_{Guid.NewGuid():n}";
        var admin = server.ConnectionString(new NpgsqlConnectionStringBuilder(owner.ConnectionString).Database!);
        await server.ExecuteAsync($"CREATE ROLE {role} LOGIN PASSWORD 'plain'; REVOKE CREATE ON SCHEMA public FROM PUBLIC", admin);
        if (rights is not null) await server.ExecuteAsync($"GRANT {rights} ON journal, tags, journal_metadata TO {role}", owner.ConnectionString);
        return owner with { ConnectionString = new NpgsqlConnectionStringBuilder(owner.ConnectionString) { Username = role, Password = "plain" }.ConnectionString };
    }

    private async Task RunScriptAsync(JournalOptions options) => await server.ExecuteAsync(await File.ReadAllTextAsync(ScriptFile), options.ConnectionString);

    /// <summary>Columns with their types, defaults, storage and collations, what is set on the tables, and every index.</summary>
    private async Task<string> ShapeAsync(JournalOptions options) => (string?)await server.ScalarAsync(
        """
        SELECT string_agg(line, E'\n' ORDER BY line) FROM (
          SELECT format('%s.%s %s %s %s %s %s', c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity, a.attstorage, a.attcollation::regcollation) AS line
          FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
          WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r' AND a.attnum > 0
          UNION ALL SELECT format('%s: %s, beside it %s', c.relname, c.reloptions, t.reloptions)
          FROM pg_class c LEFT JOIN pg_class t ON t.oid = c.reltoastrelid WHERE c.relnamespace = 'public'::regnamespace AND c.relkind = 'r'
          UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = 'public') AS lines
        """,
        options.ConnectionString) ?? "";
}
