using System.Collections.Concurrent;
using System.Collections.Immutable;
using Akka.Actor;
using Akka.Configuration;
using Akka.Persistence;
using Akka.Persistence.Journal;
using Akka.Serialization;
using Grid.Node.Pools;

namespace Grid.Tests.Pools;

/// <summary>What a test journal keeps, beyond the actor system that uses it, and how it misbehaves.</summary>
public sealed class JournalStore
{
    private static readonly ConcurrentDictionary<string, JournalStore> Stores = new();
    private readonly List<IPersistentRepresentation> _messages = [];

    public JournalStore() => Stores[Id] = this;

    /// <summary>Names it in the journal's configuration.</summary>
    public string Id { get; } = Guid.NewGuid().ToString("n");

    /// <summary>Makes every write fail with this.</summary>
    public Exception? FailWrites { get; set; }

    /// <summary>Whether a write that fails is in the journal all the same.</summary>
    public bool FailAfterWriting { get; set; }

    /// <summary>Makes every recovery fail with this.</summary>
    public Exception? FailReads { get; set; }

    /// <summary>Holds writes back until it completes.</summary>
    public Task Gate { get; set; } = Task.CompletedTask;

    /// <summary>The pool events written so far.</summary>
    internal IReadOnlyList<PoolEvent> Events => [.. Messages.Select(message => (PoolEvent)message.Payload)];

    internal IReadOnlyList<IPersistentRepresentation> Messages
    {
        get
        {
            lock (_messages) return [.. _messages];
        }
    }

    public static JournalStore Of(string id) => Stores[id];

    internal void Add(IPersistentRepresentation message)
    {
        lock (_messages)
        {
            // The unique key.
            if (_messages.Any(other => other.SequenceNr == message.SequenceNr)) throw new InvalidOperationException($"there is a {message.SequenceNr} already");
            _messages.Add(message);
        }
    }
}

/// <summary>An in-memory journal that outlives actor systems, fails on demand, holds every sequence number once, and really serializes.</summary>
public sealed class TestJournal(Config config) : AsyncWriteJournal
{
    private readonly JournalStore _store = JournalStore.Of(config.GetString("store"));
    private readonly ActorSystem _system = Context.System;

    protected override async Task<IImmutableList<Exception>> WriteMessagesAsync(IEnumerable<AtomicWrite> messages, CancellationToken cancellationToken)
    {
        await _store.Gate;
        if (_store.FailWrites is { } failure && !_store.FailAfterWriting) throw failure;
        foreach (var message in messages.SelectMany(write => (IEnumerable<IPersistentRepresentation>)write.Payload))
        {
            var serializer = (SerializerWithStringManifest)_system.Serialization.FindSerializerFor(message.Payload);
            var back = serializer.FromBinary(serializer.ToBinary(message.Payload), serializer.Manifest(message.Payload));
            _store.Add(message.WithPayload(back));
        }

        return _store.FailWrites is { } late ? throw late : null!;
    }

    public override Task<long> ReadHighestSequenceNrAsync(string persistenceId, long fromSequenceNr, CancellationToken cancellationToken) =>
        _store.FailReads is { } failure
            ? Task.FromException<long>(failure)
            : Task.FromResult(_store.Messages.Select(message => message.SequenceNr).DefaultIfEmpty().Max());

    public override Task ReplayMessagesAsync(
        IActorContext context, string persistenceId, long fromSequenceNr, long toSequenceNr, long max, Action<IPersistentRepresentation> recoveryCallback)
    {
        foreach (var message in _store.Messages.Where(message => message.SequenceNr >= fromSequenceNr && message.SequenceNr <= toSequenceNr))
            recoveryCallback(message);
        return Task.CompletedTask;
    }

    protected override Task DeleteMessagesToAsync(string persistenceId, long toSequenceNr, CancellationToken cancellationToken) =>
        throw new NotSupportedException();
}
