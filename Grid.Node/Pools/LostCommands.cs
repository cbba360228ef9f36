using Akka.Actor;
using Akka.Event;
using Status = Grid.Protocol.Status;

namespace Grid.Node.Pools;

/// <summary>
/// Answers commands that no registry has looked at: it stopped while they waited for its recovery, which fails again and again as long as its journal cannot be read, or it had moved when they came. They were not applied; without an
/// answer who asks would wait as long as for one that takes its time.
/// </summary>
internal sealed class LostCommands : ReceiveActor
{
    private const string Text = "the pool registry stopped before it looked at this: its journal cannot be read, or it moves";

    public LostCommands() =>
        Receive<DeadLetter>(lost =>
        {
            if (lost.Message is PoolCommand) lost.Sender.Tell(new PoolReply(Status.NotServing, Text, null));
        });

    protected override void PreStart() => Context.System.EventStream.Subscribe<DeadLetter>(Self);

    protected override void PostStop() => Context.System.EventStream.Unsubscribe(Self);
}
