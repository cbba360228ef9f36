namespace Grid.Cli;

/// <summary>What the process ends with; docs/cli.md is the reference.</summary>
internal static class ExitCodes
{
    /// <summary>Done.</summary>
    public const int Ok = 0;

    /// <summary>The operation failed, or what was asked for is not there.</summary>
    public const int Failed = 1;

    /// <summary>The command line makes no sense.</summary>
    public const int Usage = 2;

    /// <summary>No node could be reached, or it was lost on the way.</summary>
    public const int CannotConnect = 3;

    /// <summary>The Grid refused to store something (capacity, quota, frozen).</summary>
    public const int Refused = 4;

    /// <summary>Bytes do not have the checksum they were stored with.</summary>
    public const int Checksum = 5;

    /// <summary>Stopped by Ctrl-C or SIGTERM, as shells count it.</summary>
    public const int Interrupted = 130;
}
