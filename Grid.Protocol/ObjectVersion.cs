namespace Grid.Protocol;

/// <summary>
/// The version of an object: an incarnation of its owner and a counter of the changes that incarnation made.
/// Only equality and "changed since" mean anything; versions of two incarnations are never comparable.
/// </summary>
/// <param name="Incarnation">Which life of the object's owner counted; 0 is no version.</param>
/// <param name="Counter">Changes (puts, flushes, takes) in that life so far.</param>
public readonly record struct ObjectVersion(ulong Incarnation, ulong Counter)
{
    /// <summary>Bytes a version takes on the wire: 16.</summary>
    public const int SizeBytes = 16;

    /// <summary><c>incarnation:counter</c>, in hexadecimal and decimal.</summary>
    public override string ToString() => $"{Incarnation:x}:{Counter}";
}
