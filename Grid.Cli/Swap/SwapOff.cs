namespace Grid.Cli.Swap;

/// <summary>Ends swapping to an export: what is swapped out is brought back, and the device detached.</summary>
/// <param name="session">The run of the command.</param>
/// <param name="machine">The machine.</param>
internal sealed class SwapOff(CliSession session, HostMachine machine)
{
    /// <summary>What is swapped out must all be read back.</summary>
    private static readonly TimeSpan SwapOffPatience = TimeSpan.FromDays(1);

    /// <summary>Does it.</summary>
    /// <param name="record">What this machine swaps to.</param>
    /// <param name="remove">Whether the export and its pool go as well.</param>
    /// <exception cref="CliException">It cannot be; the message says what is left as it was.</exception>
    public async Task RunAsync(SwapRecord record, bool remove)
    {
        new SwapRequirements(machine).RequireMachine();
        if (SwapArea.Of(machine, record.Device) is { } area) await SwapOffAsync(area);
        if (new NbdDevices(machine).IsAttached(record.Device))
        {
            var program = await NbdClientProgram.AskAsync(machine, session.Cancellation);
            await program.DetachAsync(record.Device, record.Netlink, session.Cancellation);
        }

        // From here on this machine has nothing of it any more, whatever the Grid says.
        record.Remove(machine);
        try
        {
            await using var client = await session.ConnectAsync();
            await SwapExport.ReleaseAsync(client, record.Pool, session.Cancellation);
            if (remove) await SwapExport.RemoveAsync(client, record.Export, session.Cancellation);
        }
        catch (Exception e) when (CliErrors.Describe(e) is var (code, message))
        {
            throw new CliException(code, $"{record.Device} is no swap any more and detached, but the Grid could not be told: {message} ({(remove ? $"grid nbd remove {record.Export} --with-data does the rest" : $"another machine that is to swap to '{record.Export}' needs --force")})");
        }
    }

    private async Task SwapOffAsync(SwapArea area)
    {
        if (area.UsedBytes > 0) await session.Output.Error.WriteLineAsync($"bringing {SizeText.Format(area.UsedBytes)} back from {area.Device}");
        var run = await machine.RunAsync("swapoff", [area.Device], session.Cancellation, SwapOffPatience);
        if (run.Code == 0) return;
        throw CliException.Failed(run.Text.Contains("Cannot allocate memory", StringComparison.Ordinal)
            ? $"what lies on {area.Device} ({SizeText.Format(area.UsedBytes)}) does not fit into memory: end programs, or add other swap first. It stays attached, and swap"
            : $"{run.Failure().Message}; {area.Device} stays attached, and swap");
    }
}
