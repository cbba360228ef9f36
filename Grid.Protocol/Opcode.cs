namespace Grid.Protocol;

/// <summary>What a frame asks for. An answer carries the opcode of its request with <see cref="OpcodeExtensions.AnswerBit"/> set.</summary>
public enum Opcode : byte
{
    /// <summary>Opens a connection; always the first frame.</summary>
    Hello = 1,

    /// <summary>Answered at once, without any actor.</summary>
    Ping = 2,

    /// <summary>Asks for the nodes and who owns which shard.</summary>
    Topology = 3,

    /// <summary>
    /// Sent by the node, as an answer with correlation 0 that nobody asked for: send nothing more on this connection, close it once everything sent is
    /// answered. What is sent nevertheless is answered <see cref="Status.NotServing"/>.
    /// </summary>
    GoAway = 4,

    /// <summary>
    /// Sent by the node, as an answer with correlation 0 that nobody asked for, to a client whose hello wanted it: the body of a <see cref="Topology"/>'s answer, whenever
    /// nodes or owners of shards have changed. From protocol version 2 on.
    /// </summary>
    TopologyPush = 5,

    /// <summary>Stores one page.</summary>
    Put = 16,

    /// <summary>Reads one page.</summary>
    Get = 17,

    /// <summary>Removes one page.</summary>
    FlushPage = 18,

    /// <summary>Removes every page of an object.</summary>
    FlushObject = 19,

    /// <summary>Stores and removes pages of one object, all or nothing.</summary>
    WriteBatch = 20,

    /// <summary>Reads many pages of one object at one instant.</summary>
    GetBatch = 21,

    /// <summary>Which pages an object holds, in order, a piece at a time.</summary>
    ListPages = 22,

    /// <summary>Creates a pool (or joins a shared one of the same name and attributes).</summary>
    PoolCreate = 32,

    /// <summary>Looks a pool up by name (and joins it, if it is shared).</summary>
    PoolOpen = 33,

    /// <summary>Lists the tenant's pools.</summary>
    PoolList = 34,

    /// <summary>Counters of a pool.</summary>
    PoolStat = 35,

    /// <summary>Refuses puts into a pool from now on.</summary>
    PoolFreeze = 36,

    /// <summary>Accepts puts again.</summary>
    PoolThaw = 37,

    /// <summary>Destroys a private pool; leaves a shared one.</summary>
    PoolDestroy = 38,

    /// <summary>Which objects a pool holds, in order, a piece at a time.</summary>
    ListObjects = 39,

    /// <summary>Checks a piece of what the journal holds of an object of a persistent pool. Changes nothing.</summary>
    VerifyObject = 40,

    /// <summary>Between nodes: hands out pages of an object that the asked node kept for the shard's next life.</summary>
    PullPages = 41,

    /// <summary>Benchmark aid: a get's answer of one page made without any actor. Only where <c>grid.gateway.echo</c> is on.</summary>
    Echo = 64,
}

/// <summary>Properties of opcodes.</summary>
public static class OpcodeExtensions
{
    /// <summary>Set in the opcode of every answer.</summary>
    public const byte AnswerBit = 0x80;

    /// <summary>Whether the operation addresses one object and so begins with an <see cref="ObjectRequestHead"/>.</summary>
    /// <param name="opcode">The opcode.</param>
    public static bool IsObjectOperation(this Opcode opcode) => opcode is >= Opcode.Put and <= Opcode.ListPages;
}
