using System.CommandLine;

namespace Grid.Cli;

/// <summary>A command that has something to stop when it is interrupted, and listens for signals itself: the usual two seconds are not enough for it.</summary>
/// <param name="name">Its name.</param>
/// <param name="description">What it does.</param>
internal sealed class SelfStoppingCommand(string name, string description) : Command(name, description);
