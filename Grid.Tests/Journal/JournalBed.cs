using System.Data.Common;
using System.Globalization;
using Akka.Actor;
using Akka.Actor.Setup;
using Akka.Configuration;
using Akka.TestKit;
using Grid.Node.Journal;
using Grid.Node.Memory;
using Grid.Protocol;
using Xunit;

namespace Grid.Tests.Journal;

/// <summary>A journal in a directory that goes away with its test, and actor systems that write to it.</summary>
internal sealed class JournalBed : IAsyncDisposable
{
    public const int PageSize = 4096;

    private readonly DirectoryInfo _directory = Directory.CreateTempSubdirectory("grid-journal-");
    private readonly List<ActorSystem> _systems = [];
    private readonly IJournalHome _home;
    private JournalReader? _reader;

    private JournalBed(IJournalHome home)
    {
        _home = home;
    }

    public static TimeSpan Patience { get; } = TimeSpan.FromSeconds(20);

    public JournalOptions Options { get; private set; } = new();

    public JournalReader Reader => _reader ??= new JournalReader(Options);

    public static ObjectKey Key { get; } = new(new PoolId(7), new ObjectId(1, 2, 3));

    public static string Id { get; } = JournalIds.ForObject(Key);

    /// <summary>A journal with its tables; in SQLite's file where nothing else is said.</summary>
    public static async Task<JournalBed> WithTablesAsync(IJournalHome? home = null)
    {
        var bed = await WithoutTablesAsync(home);
        await JournalSchema.EnsureAsync(bed.Options);
        return bed;
    }

    public static async Task<JournalBed> WithoutTablesAsync(IJournalHome? home = null)
    {
        var bed = new JournalBed(home ?? new SqliteHome());
        bed.Options = await bed._home.NewAsync(bed._directory.FullName);
        return bed;
    }

    /// <summary>An actor system with this journal; the probe stands for the objects that own writers.</summary>
    public (ActorSystem System, TestProbe Parent) Start(string overrides = "")
    {
        var config = ConfigurationFactory.ParseString(overrides + "\nakka.loglevel = ERROR\nakka.stdout-loglevel = OFF\nakka.log-dead-letters = off")
            .WithFallback(JournalConfig.Akka(Options));
        var setup = ActorSystemSetup.Create(BootstrapSetup.Create().WithConfig(config), JournalConfig.Setup(Options));
        var system = ActorSystem.Create("journal-test", setup);
        JournalConfig.Verify(system.Settings.Config);
        _systems.Add(system);
        return (system, new Akka.TestKit.Xunit2.TestKit(system).CreateTestProbe());
    }

    public async Task<(IActorRef Writer, long Last)> ReadyWriterAsync(TestProbe parent, string? id = null)
    {
        var writer = await parent.ChildActorOfAsync(WriterActor.Props(id ?? Id));
        var ready = await parent.ExpectMsgAsync<WriterReady>(Patience);
        return (writer, ready.LastSequenceNr);
    }

    public async Task<long> WriteAsync(TestProbe parent, IActorRef writer, JournalEvent journalEvent, long token = 1)
    {
        writer.Tell(new Write(journalEvent, token));
        var written = await parent.ExpectMsgAsync<Written>(Patience);
        Assert.Equal(token, written.Token);
        return written.SequenceNr;
    }

    /// <summary>Writes events of one page each, numbered from 1, with a new writer.</summary>
    public async Task WritePagesAsync(TestProbe parent, ObjectKey key, int events)
    {
        var (writer, last) = await ReadyWriterAsync(parent, JournalIds.ForObject(key));
        for (var i = 0; i < events; i++) await WriteAsync(parent, writer, PageEvent(key, (uint)(last + 1 + i), (uint)(last + 1 + i)));
        await StopAsync(parent, writer);
    }

    public async Task StopAsync(TestProbe parent, IActorRef writer)
    {
        await parent.WatchAsync(writer);
        writer.Tell(StopWriter.Instance);
        await parent.ExpectTerminatedAsync(writer, Patience);
    }

    /// <summary>An event that puts one page, filled with what depends on the object and the index.</summary>
    public static JournalEvent PageEvent(ObjectKey key, uint index, uint pagesAfter)
    {
        var builder = new EventBuilder(PageSize);
        builder.Put(index, PageCodec.Raw, Page(key, index));
        return builder.ToEvent(key, 1, pagesAfter);
    }

    public static byte[] Page(ObjectKey key, uint index)
    {
        var page = new byte[PageSize];
        new Random(HashCode.Combine(key.Pool.Value.GetHashCode(), (int)key.Object.Word0, (int)index)).NextBytes(page);
        return page;
    }

    public long Scalar(string sql)
    {
        using var connection = Open();
        using var command = connection.Command(null, sql);
        return Convert.ToInt64(command.ExecuteScalar(), CultureInfo.InvariantCulture);
    }

    public void Execute(string sql)
    {
        using var connection = Open();
        using var command = connection.Command(null, sql);
        command.ExecuteNonQuery();
    }

    /// <summary>A connection of nobody's pool.</summary>
    public DbConnection Open() => _home.Open(Options);

    /// <summary>Keeps everybody else from writing, not from reading, until it is disposed.</summary>
    public DbConnection Lock()
    {
        var connection = Open();
        using var command = connection.Command(null, _home.BeginExclusive);
        command.ExecuteNonQuery();
        return connection;
    }

    public string Blob(params ReadOnlySpan<byte> bytes) => _home.Blob(bytes);

    /// <summary>Changes one byte of a stored event.</summary>
    public void SpoilByte(long sequenceNr, int offset, byte value) =>
        Execute($"UPDATE journal SET message = {_home.MessageWithByte(offset, value)} WHERE sequence_number = {sequenceNr}");

    public async ValueTask DisposeAsync()
    {
        foreach (var system in _systems) await system.Terminate();
        _reader?.Dispose();
        _home.ClearPools(Options);
        _directory.Delete(recursive: true);
    }
}
