using Akka.Actor;

namespace Grid.Node.Cluster.Formation;

/// <summary>The contacts of a node and the way questions take to them.</summary>
internal interface IContactLine
{
    /// <summary>The contacts as they are now.</summary>
    Task<IReadOnlyList<string>> FindAsync();

    /// <summary>Asks one; the answer, if one comes, is told to the door.</summary>
    void Ask(string contact, ContactQuestion question, IActorRef door);
}
