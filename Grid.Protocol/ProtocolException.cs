namespace Grid.Protocol;

/// <summary>A frame whose content makes no sense; the text says what.</summary>
/// <param name="message">What is wrong.</param>
public sealed class ProtocolException(string message) : Exception(message);
