using Grid.AspNetCore;
using Grid.Client;
using Microsoft.AspNetCore.DataProtection;
using Microsoft.AspNetCore.OutputCaching;
using Microsoft.Extensions.Caching.Hybrid;

// A web application of which several instances run: sessions, cached responses and HybridCache's second level are in the grid, so that it does not matter which instance is asked.
// dotnet run --project examples/WebCache -- --Grid grid://127.0.0.1:7070 --urls http://127.0.0.1:5001
var builder = WebApplication.CreateBuilder(args);

builder.Services.AddGridDistributedCache(options =>
{
    options.ConnectionString = builder.Configuration["Grid"] ?? "grid://127.0.0.1:7070";
    options.Pool = builder.Configuration["Pool"] ?? "web-cache";
    options.InstanceName = "WebCache:";
});
builder.Services.AddGridOutputCache();

// Session cookies are encrypted with keys that all instances must share.
if (builder.Configuration["Keys"] is { } keys) builder.Services.AddDataProtection().SetApplicationName("WebCache").PersistKeysToFileSystem(new DirectoryInfo(keys));
builder.Services.AddSession();
builder.Services.AddOutputCache();
builder.Services.AddHybridCache();

var app = builder.Build();
app.UseSession();
app.UseOutputCache();

// A session: counts a visitor's visits, whichever instance they come to.
app.MapGet("/visits", async (HttpContext http) =>
{
    await http.Session.LoadAsync(http.RequestAborted);
    var visits = (http.Session.GetInt32("visits") ?? 0) + 1;
    http.Session.SetInt32("visits", visits);
    return new Visits(visits, Environment.ProcessId);
});

// A cached response: made by one instance, served by all, until it is a minute old or its tag is evicted.
app.MapGet("/news", () => new News(Guid.NewGuid(), Environment.ProcessId)).CacheOutput(policy => policy.Expire(TimeSpan.FromMinutes(1)).Tag("news"));
app.MapPost("/news/evict", async (IOutputCacheStore store, CancellationToken cancellation) => await store.EvictByTagAsync("news", cancellation));

// HybridCache: computed by one instance, in its memory and in the grid; the others find it there.
app.MapGet("/square/{number:long}", async (long number, HybridCache cache, CancellationToken cancellation) =>
    await cache.GetOrCreateAsync($"square:{number}", _ => ValueTask.FromResult(new Square(number, number * number, Environment.ProcessId)), cancellationToken: cancellation));
app.MapDelete("/square/{number:long}", async (long number, HybridCache cache, CancellationToken cancellation) => await cache.RemoveAsync($"square:{number}", cancellation));

await app.RunAsync();

/// <summary>How often a visitor came, and which process counted last.</summary>
internal sealed record Visits(int Count, int Process);

/// <summary>A response that is another each time it is made.</summary>
internal sealed record News(Guid Edition, int Process);

/// <summary>A number's square, and which process computed it.</summary>
internal sealed record Square(long Number, long Value, int Process);
