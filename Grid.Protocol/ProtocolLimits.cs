namespace Grid.Protocol;

/// <summary>What a frame may hold. Checked before anything is allocated for it.</summary>
public static class ProtocolLimits
{
    /// <summary>The four bytes a hello's body begins with: "GRID".</summary>
    public const uint Magic = 0x44495247;

    /// <summary>The oldest protocol version this build speaks.</summary>
    public const ushort MinVersion = 1;

    /// <summary>The newest protocol version this build speaks.</summary>
    public const ushort MaxVersion = 2;

    /// <summary>The first version in which a node forwards for clients that can reach one address only, and takes what other nodes forward.</summary>
    public const ushort ForwardingVersion = 2;

    /// <summary>The first version in which a node tells a client that asked for it whenever shards have moved.</summary>
    public const ushort TopologyPushVersion = 2;

    /// <summary>Bytes of a frame's header, its length field included.</summary>
    public const int HeaderBytes = 16;

    /// <summary>The most pages in a batch: 256.</summary>
    public const int MaxBatchPages = 256;

    /// <summary>The most page bytes in a batch: 1 MiB.</summary>
    public const int MaxBatchBytes = 1 << 20;

    /// <summary>The longest body of a frame: 1 MiB of pages and 16 KiB for what stands around them.</summary>
    public const int MaxBodyBytes = MaxBatchBytes + (16 << 10);

    /// <summary>The longest text of an error.</summary>
    public const int MaxErrorTextBytes = 1024;

    /// <summary>The longest string anywhere else in a frame, in bytes of UTF-8.</summary>
    public const int MaxStringBytes = 4096;

    /// <summary>The most page numbers in one piece of a list of pages.</summary>
    public const int MaxListedPages = 16384;

    /// <summary>The most objects in one piece of a list of objects.</summary>
    public const int MaxListedObjects = 1024;

    /// <summary>The most bytes of events that one request to verify may have read.</summary>
    public const int MaxVerifyBytes = 16 << 20;

    /// <summary>The most damages one answer to a verification tells of: it ends there, and the next goes on.</summary>
    public const int MaxDamages = 64;

    /// <summary>The longest body of the first frame of a connection, before its sender is known.</summary>
    public const int MaxHelloBodyBytes = 16 << 10;
}
