using Grid.Protocol;

namespace Grid.Client;

/// <summary>Reads answers that are no errors into their operations.</summary>
internal static class AnswerDecoder
{
    /// <summary>Reads the answer; pages go into the caller's buffer. False where it makes no sense for this request: nothing was written then.</summary>
    /// <param name="operation">The request, owned by the caller of this method.</param>
    /// <param name="header">The answer's header.</param>
    /// <param name="body">The answer's body.</param>
    public static bool TryRead(Operation operation, in FrameHeader header, ReadOnlySpan<byte> body)
    {
        operation.Status = header.Status;
        operation.Detail = header.Flags;
        if (operation.IsRelayed)
        {
            operation.Body = body.ToArray();
            return true;
        }

        if (!operation.Opcode.IsObjectOperation()) return TryReadControl(operation, header.Status, body);
        if (body.Length < ObjectVersion.SizeBytes) return false;
        operation.Version = VersionCodec.Read(body);
        var rest = body[ObjectVersion.SizeBytes..];
        return operation.Opcode switch
        {
            Opcode.Get => TryReadGet(operation, header.Status, rest),
            Opcode.Put => header.Status is Status.Ok or Status.Refused && rest.IsEmpty,
            Opcode.FlushPage or Opcode.FlushObject => header.Status is Status.Ok or Status.Miss && rest.IsEmpty,
            Opcode.WriteBatch => TryReadWriteBatch(operation, header.Status, rest),
            Opcode.ListPages => TryReadPageList(operation, header.Status, rest),
            _ => TryReadGetBatch(operation, header.Status, rest),
        };
    }

    private static bool TryReadGet(Operation operation, Status status, ReadOnlySpan<byte> rest)
    {
        if (status == Status.Miss) return rest.IsEmpty;
        if (status != Status.Ok || rest.Length != operation.PageSizeBytes) return false;
        rest.CopyTo(operation.Destination.Span);
        return true;
    }

    private static bool TryReadWriteBatch(Operation operation, Status status, ReadOnlySpan<byte> rest)
    {
        if (status is Status.Refused or Status.ConditionFailed) return rest.Length is 0 or BatchAnswer.BitsBytes;
        if (status != Status.Ok || rest.Length != BatchAnswer.BitsBytes) return false;
        operation.Bits = BatchBits.Read(rest);
        return true;
    }

    private static bool TryReadGetBatch(Operation operation, Status status, ReadOnlySpan<byte> rest)
    {
        if (status == Status.ConditionFailed) return rest.Length is 0 or BatchAnswer.BitsBytes;
        if (status != Status.Ok || rest.Length < BatchAnswer.BitsBytes) return false;
        var bits = BatchBits.Read(rest);
        var pages = rest[BatchAnswer.BitsBytes..];
        if (bits.AnyFrom(operation.Indexes.Length) || pages.Length != bits.Count * operation.PageSizeBytes) return false;
        operation.Bits = bits;
        var destination = operation.Destination.Span;
        for (var i = 0; i < operation.Indexes.Length; i++)
        {
            if (!bits[i]) continue;
            pages[..operation.PageSizeBytes].CopyTo(destination[(i * operation.PageSizeBytes)..]);
            pages = pages[operation.PageSizeBytes..];
        }

        return true;
    }

    private static bool TryReadPageList(Operation operation, Status status, ReadOnlySpan<byte> rest)
    {
        operation.Body = rest.ToArray();
        return status == Status.Ok;
    }

    private static bool TryReadControl(Operation operation, Status status, ReadOnlySpan<byte> body)
    {
        if (operation.Opcode != Opcode.Echo)
        {
            operation.Body = body.ToArray();
            return status == Status.Ok || (status == Status.InProgress && operation.Opcode == Opcode.PoolDestroy);
        }

        operation.EchoBytes = body.Length - ObjectVersion.SizeBytes;
        if (status != Status.Ok || operation.EchoBytes < 0 || operation.EchoBytes > operation.Destination.Length) return false;
        body[ObjectVersion.SizeBytes..].CopyTo(operation.Destination.Span);
        return true;
    }
}
