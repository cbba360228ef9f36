namespace Grid.Node.Cluster.Formation;

/// <summary>What a contact said last.</summary>
/// <param name="Asked">When the question left.</param>
/// <param name="At">When the answer came.</param>
/// <param name="Answer">The answer.</param>
internal sealed record Heard(TimeSpan Asked, TimeSpan At, ContactAnswer Answer);

/// <summary>The contacts, what was asked and what they said.</summary>
/// <param name="times">How long an answer counts.</param>
/// <param name="random">Makes the numbers of questions: an answer to an earlier run's must not pass for one to this run's.</param>
/// <param name="now">Now.</param>
internal sealed class ContactBook(FormationTimes times, Random random, TimeSpan now)
{
    /// <summary>Questions that are remembered: later answers are dropped.</summary>
    private const int AskedMax = 4096;

    private readonly Dictionary<long, (string Contact, TimeSpan At)> _asked = [];
    private readonly Queue<long> _askedOrder = new();
    private readonly Dictionary<string, Heard> _heard = new(StringComparer.Ordinal);

    /// <summary>The contacts, in order.</summary>
    public IReadOnlyList<string> Contacts { get; private set; } = [];

    /// <summary>Since when they are these.</summary>
    public TimeSpan SameSince { get; private set; } = now;

    /// <summary>Takes the contacts as they are known now.</summary>
    public void Set(IEnumerable<string> contacts, TimeSpan now)
    {
        string[] sorted = [.. contacts.Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal)];
        if (sorted.SequenceEqual(Contacts, StringComparer.Ordinal)) return;
        (Contacts, SameSince) = (sorted, now);
        foreach (var gone in _heard.Keys.Except(sorted, StringComparer.Ordinal).ToArray()) _heard.Remove(gone);
    }

    /// <summary>A number for a question that leaves now.</summary>
    public long Ask(string contact, TimeSpan now)
    {
        // As many bits as JSON's readers keep.
        var id = random.NextInt64(1L << 53);
        _asked[id] = (contact, now);
        _askedOrder.Enqueue(id);
        if (_askedOrder.Count > AskedMax) _asked.Remove(_askedOrder.Dequeue());
        return id;
    }

    /// <summary>Takes an answer.</summary>
    /// <returns>It with its times; null: nobody asked, or a newer one has come already.</returns>
    public Heard? Hear(ContactAnswer answer, TimeSpan now)
    {
        if (!_asked.Remove(answer.Id, out var asked)) return null;
        var heard = new Heard(asked.At, now, answer);
        if (!Contacts.Contains(asked.Contact, StringComparer.Ordinal)) return null;
        if (_heard.TryGetValue(asked.Contact, out var known) && known.Asked > asked.At) return null;
        _heard[asked.Contact] = heard;
        return heard;
    }

    /// <summary>What contacts said that still counts.</summary>
    public IEnumerable<ContactAnswer> Fresh(TimeSpan now) => _heard.Values.Where(heard => now - heard.At <= times.Fresh).Select(heard => heard.Answer);

    /// <summary>The answer of one contact that still counts; null: it is silent.</summary>
    public ContactAnswer? Fresh(string contact, TimeSpan now) => _heard.TryGetValue(contact, out var heard) && now - heard.At <= times.Fresh ? heard.Answer : null;

    /// <summary>A contact that has been silent for longer than an answer counts, and not yet for long enough to do without it; null: none.</summary>
    public string? Hesitant(TimeSpan now) => Contacts.FirstOrDefault(contact =>
    {
        var silent = now - (_heard.TryGetValue(contact, out var heard) && heard.At > SameSince ? heard.At : SameSince);
        return Fresh(contact, now) == null && silent < times.Stable;
    });
}
