using Grid.Tests.Kubernetes;

// What tests start as a process of its own; the test runner never comes here.
return args is ["load", var connectionString] ? await PodLoad.RunAsync(connectionString) : 2;
