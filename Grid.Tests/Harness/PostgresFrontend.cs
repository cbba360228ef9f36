using System.Buffers.Binary;
using System.Text;

namespace Grid.Tests.Harness;

/// <summary>
/// Reads along what a client sends to PostgreSQL (unencrypted), to know where a transaction that inserted events is committed: at the Sync message behind the execution of such a statement.
/// </summary>
internal sealed class PostgresFrontend
{
    /// <summary>Protocol 3.0, in the message that begins a session; requests for encryption before it have other numbers.</summary>
    private const int Startup = 3 << 16;

    /// <summary>As much of a message is looked at: names and statements begin within it.</summary>
    private const int LookBytes = 200;

    private readonly HashSet<string> _inserts = [];
    private readonly List<byte> _message = [];
    private long _skip;
    private int _at;
    private bool _begun;
    private bool _inserted;

    /// <summary>
    /// Goes on to the next commit in a piece of the stream; call it until it says there is none, and with the whole piece each time.
    /// </summary>
    /// <param name="piece">The piece.</param>
    /// <param name="last">Where the last byte of the message that commits is.</param>
    public bool NextCommit(ReadOnlySpan<byte> piece, out int last)
    {
        while (_at < piece.Length)
        {
            var skipped = (int)Math.Min(_skip, piece.Length - _at);
            (_skip, _at) = (_skip - skipped, _at + skipped);
            if (_at == piece.Length) break;
            _message.Add(piece[_at++]);
            if (!TryTakeMessage()) continue;
            last = _at - 1;
            return true;
        }

        (_at, last) = (0, -1);
        return false;
    }

    /// <summary>Whether this byte ended a message, and it commits.</summary>
    private bool TryTakeMessage()
    {
        var header = _begun ? 5 : 4;
        if (_message.Count < header) return false;
        var bytes = _message.ToArray();
        var length = BinaryPrimitives.ReadInt32BigEndian(bytes.AsSpan(header - 4)) + header - 4;
        if (bytes.Length < Math.Min(length, LookBytes)) return false;
        _skip = length - bytes.Length;
        _message.Clear();
        if (_begun) return Commits((char)bytes[0], bytes.AsSpan(header));
        _begun = bytes.Length >= 8 && BinaryPrimitives.ReadInt32BigEndian(bytes.AsSpan(4)) == Startup;
        return false;
    }

    private bool Commits(char type, ReadOnlySpan<byte> body)
    {
        switch (type)
        {
            case 'P':
                var name = Text(body);
                var isInsert = Text(body[(name.Length + 1)..]).StartsWith("INSERT INTO journal ", StringComparison.Ordinal);
                if (isInsert) _inserts.Add(name);
                else _inserts.Remove(name);
                return false;
            case 'B':
                var portal = Text(body);
                _inserted |= _inserts.Contains(Text(body[(portal.Length + 1)..]));
                return false;
            case 'S':
                var commits = _inserted;
                _inserted = false;
                return commits;
            default:
                return false;
        }
    }

    private static string Text(ReadOnlySpan<byte> bytes)
    {
        var end = bytes.IndexOf((byte)0);
        return Encoding.UTF8.GetString(end < 0 ? bytes : bytes[..end]);
    }
}
