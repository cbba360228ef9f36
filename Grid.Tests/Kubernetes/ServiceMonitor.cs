using k8s;
using k8s.Models;

namespace Grid.Tests.Kubernetes;

/// <summary>What the Grid uses of the Prometheus Operator's custom resource; another field fails to parse.</summary>
internal sealed class ServiceMonitor : IKubernetesObject<V1ObjectMeta>
{
    /// <summary>How the parser is told of it.</summary>
    public const string TypeName = "monitoring.coreos.com/v1/ServiceMonitor";

    public string ApiVersion { get; set; } = "";

    public string Kind { get; set; } = "";

    public V1ObjectMeta Metadata { get; set; } = new();

    public MonitorSpec Spec { get; set; } = new();

    /// <summary>Which services, and what of them.</summary>
    internal sealed class MonitorSpec
    {
        public V1LabelSelector Selector { get; set; } = new();

        public IList<MonitorEndpoint> Endpoints { get; set; } = [];
    }

    /// <summary>A named port of the services.</summary>
    internal sealed class MonitorEndpoint
    {
        public string Port { get; set; } = "";

        public string Path { get; set; } = "";

        public string Interval { get; set; } = "";
    }
}
