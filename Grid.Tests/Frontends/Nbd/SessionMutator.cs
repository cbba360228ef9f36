using Grid.Node.Frontends.Nbd;
using static Grid.Tests.Frontends.Nbd.NbdBytes;

namespace Grid.Tests.Frontends.Nbd;

/// <summary>Sessions that are nearly right.</summary>
/// <param name="seed">What they are determined by.</param>
/// <param name="exports">Exports that there are.</param>
/// <param name="deviceBytes">About how large they are.</param>
internal sealed class SessionMutator(int seed, string[] exports, uint deviceBytes)
{
    private readonly Random _random = new(seed);

    /// <summary>A session's messages; what is wrong in them leaves their borders alone, so that a server that keeps in step answers every one of them.</summary>
    /// <param name="options">How many are options; the last of them enters an export, if there is such a one.</param>
    public List<byte[]> NextFramed(out int options)
    {
        var messages = new List<byte[]>();
        options = _random.Next(0, 6);
        for (var i = 0; i < options; i++) messages.Add(NextOption());
        messages.Add(Option(NbdOption.Go, Info(exports[_random.Next(exports.Length)], [.. Enumerable.Range(0, _random.Next(4)).Select(_ => (NbdInfo)_random.Next(6))])));
        options++;
        for (var i = _random.Next(0, 8); i > 0; i--) messages.Add(NextRequest((ulong)messages.Count));
        return messages;
    }

    /// <summary>The same with bits flipped, bytes cut and doubled anywhere.</summary>
    public byte[] NextBroken()
    {
        var bytes = Flags((uint)(_random.Next(20) == 0 ? _random.Next() : 3)).Concat(NextFramed(out _).SelectMany(message => message)).ToArray();
        for (var i = _random.Next(1, 5); i > 0 && bytes.Length > 1; i--)
        {
            var at = _random.Next(bytes.Length);
            switch (_random.Next(4))
            {
                case 0:
                    bytes = [.. bytes[..at], .. bytes[Math.Min(bytes.Length, at + _random.Next(1, 30))..]];
                    break;
                case 1:
                    bytes = [.. bytes[..at], .. bytes[Math.Max(0, at - _random.Next(30))..]];
                    break;
                default:
                    bytes[at] ^= (byte)(1 << _random.Next(8));
                    break;
            }
        }

        return bytes;
    }

    private byte[] NextOption()
    {
        var name = _random.Next(4) == 0 ? "none" : exports[_random.Next(exports.Length)];
        var data = _random.Next(6) switch
        {
            0 => Info(name, NbdInfo.BlockSize, (NbdInfo)_random.Next(9)),
            1 => Queries(name, "base:allocation", "base:", "x:"),
            2 => Named(name),
            3 => new byte[_random.Next(40)],
            _ => [],
        };
        for (var i = _random.Next(3); i > 0 && data.Length > 0; i--) data[_random.Next(data.Length)] ^= (byte)(1 << _random.Next(8));
        // Not EXPORT_NAME, ABORT and GO, which end the options.
        NbdOption[] known = [NbdOption.List, NbdOption.StartTls, NbdOption.Info, NbdOption.StructuredReply, NbdOption.StructuredReply, NbdOption.ListMetaContext, NbdOption.SetMetaContext];
        return Option(_random.Next(8) == 0 ? (NbdOption)_random.Next(11, 1 << 20) : known[_random.Next(known.Length)], data);
    }

    private byte[] NextRequest(ulong cookie)
    {
        var command = (NbdCommand)(_random.Next(8) == 0 ? _random.Next(3, 1 << 16) : _random.Next(9));
        if (command == NbdCommand.Disconnect) command = NbdCommand.Read;
        var offset = _random.Next(8) == 0 ? (ulong)_random.NextInt64() * 2 : (ulong)_random.Next((int)deviceBytes);
        var length = (uint)_random.Next(1, 9000);
        if (_random.Next(3) > 0) (offset, length) = (offset & ~511ul, (length + 511) & ~511u);
        if (command == NbdCommand.Flush && _random.Next(4) > 0) (offset, length) = (0, 0);
        else if (command != NbdCommand.Write && _random.Next(20) == 0) length = (uint)_random.NextInt64(1L << 32);
        var data = command == NbdCommand.Write ? new byte[length] : [];
        _random.NextBytes(data);
        return Request(command, cookie, offset, length, _random.Next(4) == 0 ? (CommandFlags)_random.Next(64) : CommandFlags.None, data);
    }
}
