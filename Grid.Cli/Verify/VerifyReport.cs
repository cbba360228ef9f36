using Grid.Protocol;

namespace Grid.Cli.Verify;

/// <summary>Damage, with its place.</summary>
/// <param name="Object">The object.</param>
/// <param name="Event">The event's number in the object's journal.</param>
/// <param name="Index">The page; null where the whole event is concerned.</param>
/// <param name="Superseded">Whether no get asks for these bytes any more.</param>
/// <param name="What">What is wrong.</param>
internal sealed record DamageLine(string Object, ulong Event, uint? Index, bool Superseded, string What);

/// <summary>What a verification found, added up as it goes.</summary>
internal sealed class VerifyReport
{
    /// <summary>Damages kept one by one; beyond that they are counted only.</summary>
    private const int MaxKept = 1000;

    private readonly List<DamageLine> _damages = [];
    private ObjectId? _current;
    private bool _isDamaged;

    /// <summary>Objects looked at.</summary>
    public long Objects { get; private set; }

    /// <summary>Objects with damage that matters.</summary>
    public long DamagedObjects { get; private set; }

    /// <summary>Events looked at.</summary>
    public ulong Events { get; private set; }

    /// <summary>Pages held by the objects.</summary>
    public ulong Pages { get; private set; }

    /// <summary>Stored pages checked, those included that were overwritten since.</summary>
    public ulong CheckedPages { get; private set; }

    /// <summary>Bytes of the events.</summary>
    public ulong Bytes { get; private set; }

    /// <summary>Damages that matter.</summary>
    public long Damaged { get; private set; }

    /// <summary>Damages that no get meets any more.</summary>
    public long Superseded { get; private set; }

    /// <summary>The first damages.</summary>
    public IReadOnlyList<DamageLine> Damages => _damages;

    /// <summary>Adds a piece.</summary>
    /// <param name="piece">The piece; those of one object come one after the other.</param>
    public void Add(VerifiedPiece piece)
    {
        var isNew = _current != piece.Object;
        if (isNew)
        {
            _current = piece.Object;
            Objects++;
            Pages += piece.HeldPages ?? 0;
            _isDamaged = false;
        }

        Events += piece.Part.Events;
        CheckedPages += piece.Part.Pages;
        Bytes += piece.Part.Bytes;
        foreach (var damage in piece.Part.Damages) Add(piece.Object, damage);
    }

    private void Add(ObjectId obj, JournalDamage damage)
    {
        if (damage.IsSuperseded)
        {
            Superseded++;
        }
        else
        {
            Damaged++;
            if (!_isDamaged) DamagedObjects++;
            _isDamaged = true;
        }

        if (_damages.Count < MaxKept) _damages.Add(new DamageLine(obj.ToString(), damage.Event, damage.Index, damage.IsSuperseded, damage.What));
    }
}
