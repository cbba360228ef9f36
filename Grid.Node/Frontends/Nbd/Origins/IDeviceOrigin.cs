namespace Grid.Node.Frontends.Nbd.Origins;

/// <summary>Where the bytes of a device are. Failures are <see cref="NbdException"/>s that say what failed.</summary>
internal interface IDeviceOrigin : IDisposable
{
    /// <summary>Its bytes.</summary>
    long SizeBytes { get; }

    /// <summary>What it is recognized by, on whatever node: one that has another is another.</summary>
    string Seal { get; }

    /// <summary>What offsets and lengths of writes must be multiples of.</summary>
    int MinBlockBytes { get; }

    /// <summary>Reads.</summary>
    /// <param name="offset">Where.</param>
    /// <param name="destination">What is filled, all of it.</param>
    /// <param name="clock">The time it has.</param>
    /// <param name="cancellation">Gives up.</param>
    ValueTask ReadAsync(long offset, Memory<byte> destination, RequestClock clock, CancellationToken cancellation);

    /// <summary>Writes; whoever reads the origin afterwards reads it.</summary>
    /// <param name="offset">Where.</param>
    /// <param name="data">What.</param>
    /// <param name="clock">The time it has.</param>
    ValueTask WriteAsync(long offset, ReadOnlyMemory<byte> data, RequestClock clock);

    /// <summary>Makes a range zero.</summary>
    /// <param name="offset">Where.</param>
    /// <param name="bytes">How far.</param>
    /// <param name="keepsPages">Whether it goes on taking space.</param>
    /// <param name="clock">The time it has.</param>
    ValueTask ZeroAsync(long offset, int bytes, bool keepsPages, RequestClock clock);

    /// <summary>Makes durable what was written before, by whomever.</summary>
    /// <param name="clock">The time it has.</param>
    /// <param name="cancellation">Gives up waiting.</param>
    ValueTask FlushAsync(RequestClock clock, CancellationToken cancellation);

    /// <summary>What takes space, as far as that is known.</summary>
    /// <param name="offset">Where.</param>
    /// <param name="length">How far.</param>
    /// <param name="clock">The time it has.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <returns>Runs that begin at the offset and cover some of the range.</returns>
    ValueTask<IReadOnlyList<Extent>> StatusAsync(long offset, uint length, RequestClock clock, CancellationToken cancellation);
}
