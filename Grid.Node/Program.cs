Grid.Node.Hosting.InlineSockets.Enable();
return await Grid.Node.Hosting.NodeProcess.RunAsync(args);
