namespace Grid.Tests.Chaos;

/// <summary>How long objects were not served, as their callers saw it.</summary>
internal static class Outages
{
    /// <summary>
    /// The longest time in which an object answered nobody who asked, of those that ended between two times: from the first call since its last answer (or that answer, where somebody was waiting
    /// already) to its next answer. Zero: nobody asked.
    /// </summary>
    public static TimeSpan Longest(IEnumerable<RecordedCall> calls, long fromNs, long toNs)
    {
        var longestNs = 0L;
        foreach (var ofObject in calls.GroupBy(call => (call.Pool, call.Object)))
        {
            var byEnd = ofObject.OrderBy(call => call.EndNs).ToArray();
            var (lastAnswerNs, first) = (long.MinValue, 0);
            for (var i = 0; i < byEnd.Length; i++)
            {
                if (!byEnd[i].IsAnswered) continue;
                // Whoever ended since the last answer had been waiting since then at most.
                var waitingSinceNs = byEnd[first..(i + 1)].Min(call => Math.Max(call.StartNs, lastAnswerNs));
                if (byEnd[i].EndNs >= fromNs && byEnd[i].EndNs <= toNs) longestNs = Math.Max(longestNs, byEnd[i].EndNs - Math.Max(waitingSinceNs, fromNs));
                (lastAnswerNs, first) = (byEnd[i].EndNs, i + 1);
            }
        }

        return TimeSpan.FromTicks(longestNs / TimeSpan.NanosecondsPerTick);
    }
}
