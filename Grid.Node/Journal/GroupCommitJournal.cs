using System.Collections.Concurrent;
using System.Collections.Immutable;
using Akka.Actor;
using Akka.Actor.Setup;
using Akka.Configuration;
using Akka.Persistence;
using Akka.Persistence.Journal;
using Akka.Persistence.Sql.Journal;
using Akka.Serialization;

namespace Grid.Node.Journal;

/// <summary>What the journal plugin needs to know of the journal.</summary>
/// <param name="Options">The journal.</param>
public sealed class GroupCommitSetup(JournalOptions options) : Setup
{
    /// <summary>The journal.</summary>
    public JournalOptions Options { get; } = options;
}

/// <summary>
/// Akka.Persistence.Sql's journal with a write path of its own on the same tables: <see cref="GroupCommit"/>. Its own gathers rows in a stream, builds each
/// statement anew and blocks the stream where the driver blocks. Replay and deletion stay its.
/// </summary>
public sealed class GroupCommitJournal : SqlWriteJournal
{
    private readonly string _writerId = Guid.NewGuid().ToString("N");
    private readonly ConcurrentDictionary<string, Task> _underWay = new();
    private readonly GroupCommit _commits;
    private readonly JournalReader _numbers;
    private readonly Serialization _serialization = Context.System.Serialization;
    private readonly ExtendedActorSystem _system = (ExtendedActorSystem)Context.System;

    /// <summary>Made by Akka.</summary>
    /// <param name="config">The plugin's configuration.</param>
    public GroupCommitJournal(Config config)
        : base(WithConnection(config))
    {
        var options = OptionsOf(Context.System);
        var database = JournalDatabase.For(options);
        _commits = new GroupCommit(database.WriteConnections, database.OpenAppender);
        _numbers = new JournalReader(options);
    }

    /// <inheritdoc/>
    public override async Task<long> ReadHighestSequenceNrAsync(string persistenceId, long fromSequenceNr, CancellationToken cancellationToken)
    {
        // A writer that was given up may have left a write behind: where the next one stands is known when that has ended, however it ends.
        if (_underWay.TryGetValue(persistenceId, out var write)) await write.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        return await _numbers.HighestSequenceNrAsync(persistenceId, cancellationToken).ConfigureAwait(false);
    }

    /// <inheritdoc/>
    protected override async Task<IImmutableList<Exception>> WriteMessagesAsync(IEnumerable<AtomicWrite> messages, CancellationToken cancellationToken)
    {
        var rows = new List<NewRow>(1);
        foreach (var message in messages)
            foreach (var row in (IEnumerable<IPersistentRepresentation>)message.Payload) rows.Add(Row(row));
        var write = new JournalWrite(rows);
        var underWay = KeyValuePair.Create(rows[0].PersistenceId, write.Done);
        _underWay[underWay.Key] = underWay.Value;
        _commits.Add(write);
        try
        {
            await write.Done.ConfigureAwait(false);
        }
        finally
        {
            _underWay.TryRemove(underWay);
        }

        // Null: none is rejected.
        return null!;
    }

    /// <inheritdoc/>
    protected override void PostStop()
    {
        _commits.Dispose();
        _numbers.Dispose();
        base.PostStop();
    }

    /// <summary>Replay and deletion connect by themselves. The connection string, which may hold a password, is in their settings only: the actor system's can be printed.</summary>
    private static Config WithConnection(Config config) =>
        ConfigurationFactory.ParseString($"connection-string = {JournalConfig.Quote(JournalDatabase.For(OptionsOf(Context.System)).ConnectionString)}").WithFallback(config);

    private static JournalOptions OptionsOf(ActorSystem system)
    {
        var setup = system.Settings.Setup.Get<GroupCommitSetup>();
        return setup.HasValue ? setup.Value.Options : throw new JournalSetupException($"The actor system was started without {nameof(JournalConfig)}.{nameof(JournalConfig.Setup)}.");
    }

    private NewRow Row(IPersistentRepresentation item)
    {
        var payload = item.Payload;
        if (payload is Tagged) throw new NotSupportedException("The Grid's journal writes no tags.");
        var serializer = _serialization.FindSerializerFor(payload);
        var bytes = payload is JournalEvent made ? made.Array : Serialization.WithTransport(_system, (serializer, payload), state => state.serializer.ToBinary(state.payload));
        var manifest = serializer is SerializerWithStringManifest named ? named.Manifest(payload)
            : serializer.IncludeManifest ? payload.GetType().AssemblyQualifiedName ?? "" : "";
        return new NewRow(item.PersistenceId, item.SequenceNr, manifest, serializer.Identifier, item.Timestamp == 0 ? DateTime.UtcNow.Ticks : item.Timestamp, _writerId, bytes);
    }
}
