namespace Grid.Node.Frontends.Nbd;

/// <summary>A request of the transmission phase.</summary>
/// <param name="Flags">Its flags.</param>
/// <param name="Command">What it asks for; may be unknown.</param>
/// <param name="Cookie">What its answer carries.</param>
/// <param name="Offset">Where it begins.</param>
/// <param name="LengthBytes">How far it goes.</param>
internal readonly record struct NbdRequest(CommandFlags Flags, NbdCommand Command, ulong Cookie, ulong Offset, uint LengthBytes)
{
    /// <summary>Bytes of the header.</summary>
    public const int HeadBytes = 28;

    /// <summary>Whether bytes of the device follow it or answer it.</summary>
    public bool HasPayload => Command is NbdCommand.Read or NbdCommand.Write;

    /// <summary>The one place where requests are checked; what comes after may trust them.</summary>
    /// <param name="terms">What was agreed on.</param>
    /// <param name="why">What is wrong, for people.</param>
    public NbdError Check(TransmissionTerms terms, out string why)
    {
        why = "";
        if (Command == NbdCommand.Disconnect) return NbdError.None;
        var export = terms.Export;
        var known = Command switch
        {
            NbdCommand.Read => terms.Structured ? CommandFlags.Fua | CommandFlags.Df : CommandFlags.Fua,
            NbdCommand.Write or NbdCommand.Flush or NbdCommand.Trim => CommandFlags.Fua,
            NbdCommand.WriteZeroes => CommandFlags.Fua | CommandFlags.NoHole | CommandFlags.FastZero,
            NbdCommand.BlockStatus => CommandFlags.Fua | CommandFlags.ReqOne,
            _ => (CommandFlags)ushort.MaxValue,
        };
        if (Command is not (<= NbdCommand.Trim or NbdCommand.WriteZeroes or NbdCommand.BlockStatus)) return Refuse(NbdError.Invalid, $"command {(ushort)Command} is unknown", out why);
        if ((Flags & ~known) != 0) return Refuse(NbdError.Invalid, $"flags {(ushort)Flags:x} of command {Command} are not known", out why);
        if (Command == NbdCommand.Flush) return Offset == 0 && LengthBytes == 0 ? NbdError.None : Refuse(NbdError.Invalid, "offset and length of a flush must be 0", out why);
        var writes = Command is NbdCommand.Write or NbdCommand.Trim or NbdCommand.WriteZeroes;
        if (writes && export.IsReadOnly) return Refuse(NbdError.Perm, "the export is read-only", out why);
        if (Command == NbdCommand.BlockStatus && !terms.Allocation) return Refuse(NbdError.Invalid, "no metadata context was agreed on", out why);
        if (LengthBytes == 0) return Refuse(NbdError.Invalid, "the length is 0", out why);
        if (Offset > export.SizeBytes || LengthBytes > export.SizeBytes - Offset)
            return Refuse(Command is NbdCommand.Write or NbdCommand.WriteZeroes ? NbdError.NoSpace : NbdError.Invalid, $"the export ends at {export.SizeBytes}", out why);
        if (Offset % (uint)terms.MinBlockBytes != 0 || LengthBytes % (uint)terms.MinBlockBytes != 0)
            return Refuse(NbdError.Invalid, $"offset and length must be multiples of {terms.MinBlockBytes}", out why);
        if (HasPayload && LengthBytes > NbdLimits.PayloadBytes)
            return Refuse(Command == NbdCommand.Read ? NbdError.Overflow : NbdError.Invalid, $"a request carries at most {NbdLimits.PayloadBytes} bytes", out why);
        return NbdError.None;
    }

    private static NbdError Refuse(NbdError error, string text, out string why)
    {
        why = text;
        return error;
    }
}
