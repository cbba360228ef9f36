using System.Text.Json.Nodes;
using Grid.Cli;
using Grid.Cli.Cluster;
using Grid.Cli.Commands;
using Xunit;

namespace Grid.Tests.Cli;

/// <summary>What an operator sees of a cluster, from what nodes answer.</summary>
public sealed class ClusterViewTests
{
    [Fact]
    public void A_healthy_cluster_is_a_table_of_its_nodes()
    {
        Assert.Equal(
            """
            cluster  3 nodes, 3 up
            asked    node-1 0.1.0, serving for 2 min 5 s
            shards   6 of 8 open, spread 0 % of the even share

            NODE      ADDRESS         STATUS    LEASE  SHARDS  OBJECTS    MEMORY    LIMIT  CONNS  VERSION
            node-1 *  127.0.0.1:7070  up        1.8 s       2    1,001  12.5 MiB  512 MiB      1  0.1.0
            node-2    127.0.0.2:7070  up        1.8 s       2    1,002  12.5 MiB  512 MiB      2  0.1.0
            node-3    127.0.0.3:7070  draining  1.8 s       2    1,003  12.5 MiB  512 MiB      3  0.1.0

            POOL   KIND        SHARING   PAGE  COMPRESSION   QUOTA  STATE  ID
            vault  persistent  private  4 KiB  lz4          10 MiB  open    7

            """,
            Render(Sample.Report(Sample.Node(1), Sample.Node(2), Sample.Node(3, phase: "draining"))));
    }

    [Fact]
    public void What_needs_attention_comes_first()
    {
        var text = Render(Sample.Report(
            Sample.Node(1, lease: "expired", journal: "Connection refused"),
            Sample.Node(2, journal: "Connection refused", waiting: 2),
            Sample.Node(3, reachable: false, answers: false)));
        Assert.StartsWith(
            """
            ! node-3 is unreachable: unless it comes back within seconds it is removed and its shards open elsewhere
            ! node-1 has no lease: no majority answers its pings, so it serves nothing
            ! node-1, node-2: journal: Connection refused

            cluster  3 nodes, 2 up
            """,
            text);
        Assert.Contains("node-1 *  127.0.0.1:7070  up           expired", text);
        Assert.Contains("node-3    127.0.0.3:7070  unreachable        ?       2        ?         ?", text);
        Assert.Contains(
            """
            WAIT TO OPEN ON  COUNT  FOR     SHARDS
            node-2               2  node-3  2-3
            """,
            text);
    }

    [Fact]
    public void A_majority_that_is_owed_a_member_that_is_down_a_silent_one_and_mixed_versions_are_told()
    {
        var report = Sample.Report(Sample.Node(1), Sample.Node(2, version: "0.2.0", answers: false), Sample.Node(3, status: "down", answers: false));
        report.Asked["cluster"]!["membersOwed"] = JsonNode.Parse("5");
        Assert.Equal(
            [
                "fewer than half of 5 members are left: nothing is served until 3 are up",
                "node-3 is down: the cluster removes it",
                "node-2 gives no figures: no answer at 127.0.0.2:7071",
                "several versions are in the cluster: 0.1.0, 0.2.0",
            ],
            StatusWarnings.Of(report));
    }

    [Fact]
    public void A_node_alone_shows_itself_and_its_failed_checks()
    {
        var text = Render(Sample.Report(Sample.Node(1, journal: "disk full")));
        Assert.StartsWith("! node-1: journal: disk full\n\nnode         node-1 0.1.0, serving for 2 min 5 s\n", text);
        Assert.Contains("memory       12.5 MiB of 512 MiB used, 100 MiB resident", text);
        Assert.DoesNotContain("SHARDS", text);
    }

    [Fact]
    public void A_wildcard_admin_address_is_asked_on_the_host_that_the_cluster_knows()
    {
        var node = Sample.Node(4);
        node.Entry["adminAddress"] = "0.0.0.0:7071";
        Assert.Equal(new Uri("http://127.0.0.4:7071"), MemberReport.Of(node.Entry).Admin);
        node.Entry["adminAddress"] = "";
        Assert.Null(MemberReport.Of(node.Entry).Admin);
    }

    [Fact]
    public void A_narrow_terminal_gets_fewer_columns_not_cut_words()
    {
        string[] columns = ["NODE", ">LIMIT", "VERSION"];
        string[][] rows = [["node-1", "512 MiB", "0.1.0"]];
        // 6 + 2, 7 + 2, 7 + 2.
        Assert.Equal(columns, TableFit.To(26, columns, rows, ["VERSION", "LIMIT"]).Columns);
        Assert.Equal(["NODE", ">LIMIT"], TableFit.To(25, columns, rows, ["VERSION", "LIMIT"]).Columns);
        var narrow = TableFit.To(16, columns, rows, ["VERSION", "LIMIT"]);
        Assert.Equal(["NODE"], narrow.Columns);
        Assert.Equal(["node-1"], Assert.Single(narrow.Rows));
    }

    [Fact]
    public void Shards_are_counted_compared_and_drawn()
    {
        var map = new ShardMap(70, [("a", [0, 1, 2, 64]), ("b", [3, 9, 8]), ("c", [9, 69])]);
        Assert.Equal((70, 62, 1), (map.Count, map.Unowned, map.Moving));
        Assert.Equal(8 / 3.0, map.EvenShare, 6);
        Assert.Equal(75, map.SpreadPercent, 6);
        Assert.Equal([50, 12.5, -25], map.Nodes.Select(map.OffPercent).Select(percent => Math.Round(percent, 6)));
        Assert.Equal(
            [
                "  0  1112.... 2!...... ........ ........ ........ ........ ........ ........",
                " 64  1....3",
            ],
            map.Lines());
        Assert.Equal("0-2, 64", ShardMap.Ranges(map.Nodes[0].Shards));
        Assert.Equal("3, 8-9", ShardMap.Ranges(map.Nodes[1].Shards));
        Assert.Equal("", ShardMap.Ranges([]));
    }

    [Fact]
    public void Nothing_served_is_even()
    {
        var map = new ShardMap(8, [("a", []), ("b", [])]);
        Assert.Equal((8, 0d, 0d), (map.Unowned, map.EvenShare, map.SpreadPercent));
        Assert.Equal(["  0  ........"], map.Lines());
    }

    private static string Render(ClusterReport report)
    {
        using var text = new StringWriter();
        StatusView.Write(new Output(text, TextWriter.Null, json: false), report);
        return text.ToString();
    }

    /// <summary>Answers of nodes, as /api/v1/status gives them.</summary>
    private static class Sample
    {
        /// <summary>A member: its entry in the others' list, and its own answer (null: none).</summary>
        public sealed record Member(JsonObject Entry, JsonObject? Own);

        public static Member Node(
            int number, string status = "up", bool reachable = true, string lease = "running", string phase = "serving", string? journal = null, int waiting = 0, string version = "0.1.0", bool answers = true)
        {
            var entry = JsonNode.Parse(
                $$"""
                {
                  "name": "node-{{number}}", "address": "akka.tcp://grid@127.0.0.{{number}}:7072", "dataAddress": "127.0.0.{{number}}:7070", "adminAddress": "127.0.0.{{number}}:7071",
                  "version": "{{version}}", "status": "{{status}}", "reachable": {{(reachable ? "true" : "false")}}, "self": {{(number == 1 ? "true" : "false")}}, "shards": [{{number}}, {{number + 4}}]
                }
                """)!.AsObject();
            if (!answers) return new Member(entry, null);
            var waits = string.Join(',', Enumerable.Range(2, waiting).Select(shard => $$"""{"shard": {{shard}}, "waitsFor": ["akka.tcp://grid@127.0.0.3:7072"]}"""));
            var own = JsonNode.Parse(
                $$"""
                {
                  "name": "node-{{number}}", "version": "{{version}}", "phase": "{{phase}}", "uptimeSeconds": 125,
                  "addresses": { "public": "127.0.0.{{number}}:7070", "admin": "127.0.0.{{number}}:7071" },
                  "readiness": { "ready": {{(journal is null ? "true" : "false")}}, "checks": [
                    { "name": "phase", "ready": {{(phase == "serving" ? "true" : "false")}}, "detail": "{{phase}}" },
                    { "name": "cluster", "ready": {{(lease == "expired" ? "false" : "true")}}, "detail": "no majority" },
                    { "name": "journal", "ready": {{(journal is null ? "true" : "false")}}, "detail": "{{journal}}" } ] },
                  "connections": {{number}}, "objects": {{1000 + number}}, "residentBytes": 104857600,
                  "memory": { "limitBytes": 536870912, "usedBytes": 13107200, "storedBytes": 4096, "pages": 1, "evictions": 0 },
                  "cluster": { "lease": "{{lease}}", "leaseLeftMilliseconds": {{(lease == "running" ? "1800" : "null")}}, "membersOwed": 0, "shardCount": 8, "waiting": [{{waits}}] },
                  "pools": [ { "id": 7, "name": "vault", "kind": "persistent", "sharing": "private", "pageSizeBytes": 4096, "compression": "lz4", "quotaPages": 2560, "frozen": false } ]
                }
                """)!.AsObject();
            return new Member(entry, own);
        }

        public static ClusterReport Report(params Member[] members)
        {
            var asked = members[0].Own!;
            asked["cluster"]!["nodes"] = new JsonArray([.. members.Select(member => (JsonNode)member.Entry)]);
            return new ClusterReport(asked, [.. members.Select(member => MemberReport.Of(member.Entry)).Zip(members, (report, member) =>
                report with { Figures = member.Own, Silence = member.Own is null ? $"no answer at {report.Admin!.Authority}" : null })]);
        }
    }
}
