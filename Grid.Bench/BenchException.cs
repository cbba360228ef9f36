namespace Grid.Bench;

/// <summary>Ends the benchmark with one line.</summary>
/// <param name="message">The line.</param>
internal sealed class BenchException(string message) : Exception(message);
