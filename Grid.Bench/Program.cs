using Grid.Bench;

return await BenchCommand.RunAsync(args);
