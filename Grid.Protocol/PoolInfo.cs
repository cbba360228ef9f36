namespace Grid.Protocol;

/// <summary>A pool as the registry knows it.</summary>
/// <param name="Id">Its number.</param>
/// <param name="Name">Its name, unique among living pools of its tenant.</param>
/// <param name="Tenant">Who owns it.</param>
/// <param name="Options">Its attributes.</param>
/// <param name="Frozen">Whether puts are refused for now.</param>
/// <param name="Members">Members of a shared pool; 1 for a private one.</param>
public sealed record PoolInfo(PoolId Id, string Name, string Tenant, PoolOptions Options, bool Frozen, int Members);
