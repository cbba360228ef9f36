using System.Runtime.CompilerServices;
using Grid.Client;
using Grid.Protocol;

namespace Grid.Cli.Verify;

/// <summary>A piece of an object that was looked at.</summary>
/// <param name="Object">The object.</param>
/// <param name="HeldPages">Pages it holds; null where its newest event is damaged.</param>
/// <param name="Part">What was found.</param>
internal sealed record VerifiedPiece(ObjectId Object, ulong? HeldPages, VerifyPart Part);

/// <summary>Where pieces come from: a running node, or the journal itself.</summary>
internal static class VerifySource
{
    /// <summary>Has a running node check its journal.</summary>
    /// <param name="pool">The pool.</param>
    /// <param name="cancellation">Ctrl-C.</param>
    public static async IAsyncEnumerable<VerifiedPiece> OnlineAsync(Pool pool, [EnumeratorCancellation] CancellationToken cancellation)
    {
        await foreach (var item in pool.ListObjectsAsync(withEmpty: true, cancellation))
            await foreach (var part in pool.VerifyObjectAsync(item.Id, cancellation))
                yield return new VerifiedPiece(item.Id, item.Pages, part);
    }
}
