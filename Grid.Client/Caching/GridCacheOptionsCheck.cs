using Microsoft.Extensions.Options;

namespace Grid.Client;

/// <summary>Refuses options that make no sense when a cache is first resolved, with every mistake named.</summary>
internal sealed class GridCacheOptionsCheck : IValidateOptions<GridCacheOptions>
{
    public ValidateOptionsResult Validate(string? name, GridCacheOptions options)
    {
        var mistakes = options.Mistakes().Select(mistake => $"The grid cache's options make no sense: {mistake}.").ToList();
        return mistakes.Count == 0 ? ValidateOptionsResult.Success : ValidateOptionsResult.Fail(mistakes);
    }
}
