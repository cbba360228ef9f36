namespace Grid.Tests.Chaos.Breaks;

/// <summary>A mistake made on purpose in a copy of the sources; what is shipped has no switch for it.</summary>
/// <param name="Name">What it is called.</param>
/// <param name="Project">The project it is made in.</param>
/// <param name="Edits">Text that is there exactly once, and what stands in its place.</param>
/// <param name="Faults">The faults of the chaos run under which it shows.</param>
internal sealed record Break(string Name, string Project, IReadOnlyList<(string File, string Old, string New)> Edits, string Faults)
{
    /// <summary>
    /// Where something else keeps the promise as long as it works itself: the test that shows the mistake alone, and part of what it says. A chaos run then finds nothing, rightly.
    /// </summary>
    public (string Name, string Says)? Test { get; init; }

    /// <summary>All of them.</summary>
    public static IReadOnlyList<Break> All { get; } =
    [
        new("ack-before-commit", "Grid.Node",
        [
            ("Journal/GroupCommit.cs", "            var failure = TryAppend(writes, ref appender);\n            foreach (var write in writes) write.Complete(failure);",
                "            foreach (var write in writes) write.Complete(null);\n            new ManualResetEvent(false).WaitOne(200);\n            _ = TryAppend(writes, ref appender);"),
        ], "kill-all"),
        new("refused-overwrite-keeps-the-old-page", "Grid.Node",
        [
            ("Objects/PersistentObject.cs", "        if (_pending.Record(request) || !_isFenced",
                "        if (request.Refusal != RefusalReason.None)\n        {\n            DropPages(request);\n            request.Answer(Status.Refused, Changes.Version, request.Refusal);\n            return;\n        }\n\n        if (_pending.Record(request) || !_isFenced"),
        ], "database-restart"),
        new("serving-lease-off", "Grid.Node",
        [
            ("Cluster/ServingLease.cs", "        return _owed > 0 || _answeredMs == long.MinValue ? long.MinValue : _answeredMs + timings.DurationMs;", "        return Endless;"),
        ], "partition-one-off,pause-long,partition-deaf"),
        new("shard-claim-off", "Grid.Node",
        [
            ("Cluster/ShardClaims.cs", "        if (cell.Claim is not { } claim || !_view.Has(self) || Missing(claim, nowMs).Any()) return;", "        if (cell.Claim is not { } claim || !_view.Has(self)) return;"),
        ], "")
        {
            // Without it Akka's own hand-over and the serving lease are left, which every fault of the run leaves whole.
            Test = ("OneOwnerSimulationTests", "has owners"),
        },
        new("fence-event-off", "Grid.Node",
        [
            ("Objects/PersistentObject.cs", "    private bool _isFenced;", "    private bool _isFenced = true;"),
        ], "")
        {
            // The lease keeps an owner that is late from answering, unless its clock stood still.
            Test = ("PausedOwnerTests", "the other's INSERT waits for the paused one"),
        },
        new("put-with-unknown-outcome-sent-again", "Grid.Client",
        [
            ("Transport/Operation.cs", "    public bool CanBeRepeated => HasNoEffect || AtLeastOnce;", "    public bool CanBeRepeated => true;"),
            ("Routing/Router.cs", "            case Status.FailedUnknown when operation.AtLeastOnce:", "            case Status.FailedUnknown:"),
        ], "database-kill,kill-one,pause-short"),
        new("moved-page-resurrected", "Grid.Node",
        [
            ("Objects/EphemeralObject.cs", "            _isPulling = true;\n            Services.Pull.Begin(Key, Life, Self);\n            return;", "            Services.Pull.Begin(Key, Life, Self);"),
        ], "rolling-restart,drain,scale"),
        new("handed-over-pages-stay", "Grid.Node",
        [
            ("Objects/KeptAside.cs", "            if (kept.Heir is null) return Forget(key, kept).Index;", "            return Forget(key, kept).Index;"),
            ("Objects/KeptAside.cs", "                if (kept.Heir == incarnation) any = true;\n                else Free(key, kept);", "                any = true;"),
            ("Objects/KeptAside.cs", "            if (!_kept.TryGetValue(key, out var kept) || kept.Heir != incarnation)", "            if (!_kept.TryGetValue(key, out var kept))"),
            ("Objects/KeptAside.cs", "            foreach (var entry in found) kept.Index.Remove(entry.Index);\n            if (kept.Index.Count == 0) Free(key, kept);", "            _ = found;"),
        ], "rolling-restart,drain,scale"),
    ];

    public static Break Named(string name) => All.Single(one => one.Name == name);
}
