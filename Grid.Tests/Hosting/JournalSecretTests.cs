using Grid.Node.Hosting;
using Xunit;

namespace Grid.Tests.Hosting;

/// <summary>The connection string from the environment or from a file (a mounted secret), and that it is printed nowhere.</summary>
public sealed class JournalSecretTests
{
    private const string Text = "Host=db;Username=grid;Password=\"hunter2;x\"";

    [Fact]
    public void The_environment_gives_it()
    {
        var layers = SettingsText.Layers(environment: [("GRID__JOURNAL__PROVIDER", "postgresql"), ("GRID__JOURNAL__CONNECTION_STRING", Text)]);
        Assert.Equal(Text, SettingsText.Read(layers).Journal.ConnectionString);
        Assert.DoesNotContain("hunter2", EffectiveConfig.Print(layers), StringComparison.Ordinal);
    }

    [Fact]
    public void A_file_gives_it_without_the_line_s_end()
    {
        using var directory = new TempDirectory();
        var file = directory.Write("secret", Text + "\n");
        var layers = SettingsText.Layers(set: [("grid.journal.provider", "postgresql"), ("grid.journal.connection-string-file", file)]);
        Assert.Equal(Text, SettingsText.Read(layers).Journal.ConnectionString);
        var printed = EffectiveConfig.Print(layers);
        Assert.DoesNotContain("hunter2", printed, StringComparison.Ordinal);
        Assert.Contains($"grid.journal.connection-string-file = \"{file}\"", printed, StringComparison.Ordinal);
    }

    [Fact]
    public void Both_at_once_are_refused_by_name()
    {
        using var directory = new TempDirectory();
        var file = directory.Write("secret", Text);
        var refusal = SettingsText.Refused($"grid.journal {{ provider = postgresql, connection-string = \"Host=db;Password=hunter2\", connection-string-file = \"{file}\" }}");
        Assert.Contains("grid.journal.connection-string-file", refusal.Message, StringComparison.Ordinal);
        Assert.Contains("together with grid.journal.connection-string", refusal.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("hunter2", refusal.ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("", "must hold a connection string")]
    [InlineData("Host=db\nPassword=hunter2", "must hold a connection string")]
    public void A_file_that_holds_none_is_refused_by_name(string content, string why)
    {
        using var directory = new TempDirectory();
        var refusal = SettingsText.Refused($"grid.journal {{ provider = postgresql, connection-string-file = \"{directory.Write("secret", content)}\" }}");
        Assert.Contains($"grid.journal.connection-string-file", refusal.Message, StringComparison.Ordinal);
        Assert.Contains(why, refusal.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("hunter2", refusal.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public void A_file_that_is_not_there_or_not_wanted_is_refused_by_name()
    {
        Assert.Contains("cannot be read", SettingsText.Refused("grid.journal { provider = postgresql, connection-string-file = \"/nowhere/secret\" }").Message, StringComparison.Ordinal);
        Assert.Contains("sqlite", SettingsText.Refused("grid.journal.connection-string-file = \"/nowhere/secret\"").Message, StringComparison.Ordinal);
    }
}
