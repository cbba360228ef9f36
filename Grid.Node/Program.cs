return await Grid.Node.Hosting.NodeProcess.RunAsync(args);
