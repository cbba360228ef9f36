namespace Grid.Client.Frontends;

/// <summary>A while after a failure in which what can be done without the grid is done without it, so that not every call waits for a deadline.</summary>
internal sealed class Pause(TimeSpan length, TimeProvider time)
{
    private long _until = long.MinValue;

    public bool IsOn => time.GetTimestamp() < Volatile.Read(ref _until);

    public void Begin() => Volatile.Write(ref _until, time.GetTimestamp() + (long)(length.TotalSeconds * time.TimestampFrequency));
}
