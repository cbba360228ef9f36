# syntax=docker/dockerfile:1
# A node and, beside it, the grid command: docker build -t grid-node:dev .
FROM --platform=$BUILDPLATFORM mcr.microsoft.com/dotnet/sdk:10.0 AS build
WORKDIR /source
# Packages first: they change less often than the sources.
COPY global.json Directory.Build.props Directory.Packages.props .editorconfig ./
COPY Grid.Protocol/Grid.Protocol.csproj Grid.Protocol/
COPY Grid.Client/Grid.Client.csproj Grid.Client/
COPY Grid.Node/Grid.Node.csproj Grid.Node/
COPY Grid.Cli/Grid.Cli.csproj Grid.Cli/
RUN dotnet restore Grid.Node && dotnet restore Grid.Cli
COPY hocon/ hocon/
COPY Grid.Protocol/ Grid.Protocol/
COPY Grid.Client/ Grid.Client/
COPY Grid.Node/ Grid.Node/
COPY Grid.Cli/ Grid.Cli/
# Without a program of one processor's own: the same files run on every one.
RUN dotnet publish Grid.Node --no-restore -c Release -p:UseAppHost=false -o /out/app \
 && dotnet publish Grid.Cli --no-restore -c Release -p:UseAppHost=false -o /out/app/cli

FROM mcr.microsoft.com/dotnet/aspnet:10.0-noble-chiseled
WORKDIR /app
COPY --from=build /out/app ./
# Where the command finds the node that reads a journal offline.
ENV GRID_NODE_PROGRAM=/app/Grid.Node.dll
# "app" in the base image; a number, so that Kubernetes can see that it is not root.
USER 1654
EXPOSE 7070 7071 7072
ENTRYPOINT ["dotnet", "/app/Grid.Node.dll"]
