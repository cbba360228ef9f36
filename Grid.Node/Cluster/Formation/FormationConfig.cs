using Akka.Configuration;
using Grid.Node.Hosting;

namespace Grid.Node.Cluster.Formation;

/// <summary>What the door needs in Akka's configuration from the start.</summary>
internal static class FormationConfig
{
    /// <summary>The method's name in <c>akka.discovery</c>.</summary>
    public const string DiscoveryMethod = "grid-dns";

    /// <summary>The configuration.</summary>
    public static Config Akka(FormationSettings settings) => ConfigurationFactory.ParseString($$"""
        akka.actor {
          serializers.grid-door = "{{typeof(DoorSerializer).AssemblyQualifiedName}}"
          serialization-bindings {
            "{{typeof(ContactQuestion).FullName}}, Grid.Node" = grid-door
            "{{typeof(ContactAnswer).FullName}}, Grid.Node" = grid-door
          }
        }
        akka.discovery {
          method = {{DiscoveryMethod}}
          {{DiscoveryMethod}} { class = "{{typeof(DnsDiscovery).AssemblyQualifiedName}}", port = {{settings.ContactPort}} }
        }
        """);
}
