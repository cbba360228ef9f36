using Grid.Tests.Caching;
using Grid.Tests.Kubernetes;

// What tests start as a process of its own; the test runner never comes here.
return args switch
{
    ["load", var connectionString] => await PodLoad.RunAsync(connectionString),
    ["large-writer", var connectionString, var pool] => await LargeWriter.RunAsync(connectionString, pool),
    _ => 2,
};
