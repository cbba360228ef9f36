namespace Grid.Node.Frontends.Nbd;

/// <summary>Numbers that begin messages (the protocol's "Values" and message layouts). All numbers of NBD are big-endian.</summary>
internal static class NbdMagic
{
    public const ulong Init = 0x4e42444d41474943;
    public const ulong Option = 0x49484156454f5054;
    public const ulong OptionReply = 0x0003e889045565a9;
    public const uint Request = 0x25609513;
    public const uint SimpleReply = 0x67446698;
    public const uint StructuredReply = 0x668e33ef;
}

/// <summary>What is bounded, in bytes unless named otherwise.</summary>
internal static class NbdLimits
{
    /// <summary>The longest string of the protocol.</summary>
    public const int StringBytes = 4096;

    /// <summary>Option data that is looked at; longer data is read over and answered with <see cref="NbdOptionReply.TooBig"/>.</summary>
    public const int OptionBytes = 64 << 10;

    /// <summary>Option data past which the connection is closed.</summary>
    public const int OptionBytesRefused = 16 << 20;

    /// <summary>Options of one connection.</summary>
    public const int Options = 1024;

    /// <summary>Queries of one option about metadata contexts.</summary>
    public const int Queries = 128;

    /// <summary>The smallest unit that clients are told of.</summary>
    public const int MinBlockBytes = 512;

    /// <summary>The longest read or write.</summary>
    public const int PayloadBytes = 32 << 20;

    /// <summary>A write past this closes the connection; up to here its data is read over and it is answered with an error.</summary>
    public const int PayloadBytesRefused = 64 << 20;
}

/// <summary>Flags of the server's greeting and, with the same values, of the client's answer.</summary>
[Flags]
internal enum HandshakeFlags : uint
{
    None = 0,
    FixedNewstyle = 1,
    NoZeroes = 2,
    All = FixedNewstyle | NoZeroes,
}

/// <summary>What an export can do.</summary>
[Flags]
internal enum TransmissionFlags : ushort
{
    HasFlags = 1,
    ReadOnly = 1 << 1,
    SendFlush = 1 << 2,
    SendFua = 1 << 3,
    SendTrim = 1 << 5,
    SendWriteZeroes = 1 << 6,
    SendDf = 1 << 7,
    CanMultiConn = 1 << 8,
    SendFastZero = 1 << 11,
}

/// <summary>Options of the handshake.</summary>
internal enum NbdOption : uint
{
    ExportName = 1,
    Abort = 2,
    List = 3,
    StartTls = 5,
    Info = 6,
    Go = 7,
    StructuredReply = 8,
    ListMetaContext = 9,
    SetMetaContext = 10,
}

/// <summary>Answers to options.</summary>
internal enum NbdOptionReply : uint
{
    Ack = 1,
    Server = 2,
    Info = 3,
    MetaContext = 4,
    Unsupported = 0x80000001,
    Policy = 0x80000002,
    Invalid = 0x80000003,
    TlsRequired = 0x80000005,
    Unknown = 0x80000006,
    TooBig = 0x80000009,
}

/// <summary>Kinds of information about an export.</summary>
internal enum NbdInfo : ushort
{
    Export = 0,
    Name = 1,
    Description = 2,
    BlockSize = 3,
}

/// <summary>Requests.</summary>
internal enum NbdCommand : ushort
{
    Read = 0,
    Write = 1,
    Disconnect = 2,
    Flush = 3,
    Trim = 4,
    WriteZeroes = 6,
    BlockStatus = 7,
}

/// <summary>Flags of requests.</summary>
[Flags]
internal enum CommandFlags : ushort
{
    None = 0,
    Fua = 1,
    NoHole = 2,
    Df = 4,
    ReqOne = 8,
    FastZero = 16,
}

/// <summary>Errors of requests.</summary>
internal enum NbdError : uint
{
    None = 0,
    Perm = 1,
    Io = 5,
    Invalid = 22,
    NoSpace = 28,
    Overflow = 75,
    NotSupported = 95,
}

/// <summary>Types of structured reply chunks.</summary>
internal enum ChunkType : ushort
{
    None = 0,
    OffsetData = 1,
    OffsetHole = 2,
    BlockStatus = 5,
    Error = (1 << 15) + 1,
    ErrorOffset = (1 << 15) + 2,
}

/// <summary>What <c>base:allocation</c> says of an extent.</summary>
[Flags]
internal enum ExtentState : uint
{
    Allocated = 0,
    Hole = 1,
    Zero = 2,
}

/// <summary>A run of bytes of one state.</summary>
/// <param name="LengthBytes">Its length.</param>
/// <param name="State">Its state.</param>
internal readonly record struct Extent(uint LengthBytes, ExtentState State);
