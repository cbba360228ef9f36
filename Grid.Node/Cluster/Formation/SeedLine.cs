using Akka.Actor;

namespace Grid.Node.Cluster.Formation;

/// <summary>Seed nodes are known by their cluster addresses, so that questions ride Akka's remoting.</summary>
/// <param name="system">The actor system.</param>
/// <param name="seeds">Whole addresses.</param>
internal sealed class SeedLine(ActorSystem system, IReadOnlyList<string> seeds) : IContactLine
{
    /// <inheritdoc/>
    public Task<IReadOnlyList<string>> FindAsync() => Task.FromResult(seeds);

    /// <inheritdoc/>
    public void Ask(string contact, ContactQuestion question, IActorRef door) => system.ActorSelection($"{contact}/user/{ClusterDoor.Name}").Tell(question, door);
}
