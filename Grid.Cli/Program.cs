using Grid.Cli;

return await GridCommand.RunAsync(args, Console.Out, Console.Error);
