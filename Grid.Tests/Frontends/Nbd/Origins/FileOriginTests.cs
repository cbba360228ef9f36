using Grid.Client;
using Grid.Node.Frontends.Nbd;
using Grid.Node.Frontends.Nbd.Origins;
using Grid.Tests.Harness;
using Xunit;

namespace Grid.Tests.Frontends.Nbd.Origins;

/// <summary>Files as origins: by what they are recognized, and what of them is a hole.</summary>
public sealed class FileOriginTests : IDisposable
{
    private readonly TestFolder _folder = new();

    [Fact]
    public async Task A_copy_is_the_same_file_to_who_only_reads_it_and_nothing_else_is()
    {
        var (image, copy) = (_folder.Combine("image"), _folder.Combine("copy"));
        Make(image, 3);
        File.Copy(image, copy);
        File.SetLastWriteTimeUtc(copy, File.GetLastWriteTimeUtc(image));
        var seal = await SealAsync(image);
        Assert.Equal(seal, await SealAsync(copy));
        File.SetLastWriteTimeUtc(copy, DateTime.UtcNow.AddDays(-2));
        Assert.NotEqual(seal, await SealAsync(copy));
        // Of the same age and length, and different.
        Make(copy, 4);
        File.SetLastWriteTimeUtc(copy, File.GetLastWriteTimeUtc(image));
        Assert.NotEqual(seal, await SealAsync(copy));

        async Task<string> SealAsync(string path)
        {
            using var origin = await OpenAsync(Read(path));
            return origin.Seal;
        }
    }

    [Fact]
    public async Task A_file_that_changes_under_its_readers_is_an_error()
    {
        var image = _folder.Combine("image");
        Make(image, 3);
        using var origin = await OpenAsync(Read(image));
        await origin.ReadAsync(0, new byte[4096], Clock, default);
        Make(image, 4);
        Assert.Contains("has changed", (await Assert.ThrowsAsync<NbdException>(() => origin.ReadAsync(0, new byte[4096], Clock, default).AsTask())).Message);
    }

    [Fact]
    public async Task A_written_file_is_served_by_those_who_see_what_lies_beside_it()
    {
        var path = _folder.Combine("disk");
        var export = Write(path, isBacking: true);
        using var first = await OpenAsync(export);
        Assert.Equal(1 << 20, new FileInfo(path).Length);
        // At the same time, by a node that does not know of the first: it finds what that has left.
        using var second = await OpenAsync(export);
        Assert.Equal(first.Seal, second.Seal);
        var sealedExport = export with { Seal = first.Seal };
        using var third = await OpenAsync(sealedExport);
        await first.WriteAsync(4096, PageBytes.Random(1), Clock);
        var page = new byte[4096];
        await third.ReadAsync(4096, page, Clock, default);
        Assert.Equal(PageBytes.Random(1), page);

        // A node that has another file there, or none; a file of another export, and what an export that is gone has left.
        File.Move(path + FileSeals.Suffix, path + ".away");
        Assert.Contains("is not there", (await Assert.ThrowsAsync<IOException>(() => OpenAsync(sealedExport))).Message);
        using (await OpenAsync(export))
        {
        }

        Assert.Contains("not the file that this export was first served from", (await Assert.ThrowsAsync<IOException>(() => OpenAsync(sealedExport))).Message);
        File.Move(path + ".away", path + FileSeals.Suffix, overwrite: true);
        var other = Write(path, isBacking: true);
        Assert.Contains("of another export", (await Assert.ThrowsAsync<IOException>(() => FileDeviceOrigin.OpenAsync(other, id => id == export.Id, default))).Message);
        using (var later = await OpenAsync(other)) Assert.NotEqual(first.Seal, later.Seal);
        File.Delete(path);
        await Assert.ThrowsAsync<FileNotFoundException>(() => OpenAsync(other with { Seal = "x" }));
        Assert.False(File.Exists(path));
    }

    [Fact]
    public async Task What_was_never_written_of_a_backing_is_zero_and_a_hole_and_what_is_zeroed_becomes_one()
    {
        using var origin = await OpenAsync(Write(_folder.Combine("disk"), isBacking: true));
        await origin.WriteAsync(65536, PageBytes.Random(1, 65536), Clock);
        Assert.Equal([new Extent(65536, ExtentState.Hole | ExtentState.Zero), new Extent(65536, ExtentState.Allocated), new Extent((1 << 20) - 131072, ExtentState.Hole | ExtentState.Zero)], await origin.StatusAsync(0, 1 << 20, Clock, default));
        await origin.ZeroAsync(65536, 65536, keepsPages: false, Clock);
        Assert.Equal([new Extent(1 << 20, ExtentState.Hole | ExtentState.Zero)], await origin.StatusAsync(0, 1 << 20, Clock, default));
        await origin.ZeroAsync(0, 65536, keepsPages: true, Clock);
        Assert.Equal(new Extent(65536, ExtentState.Allocated), (await origin.StatusAsync(0, 1 << 20, Clock, default))[0]);
        var read = PageBytes.Random(2, 1 << 20);
        await origin.ReadAsync(0, read, Clock, default);
        Assert.Equal(new byte[1 << 20], read);
        await origin.FlushAsync(Clock, default);
    }

    [Fact]
    public async Task A_file_that_somebody_cuts_is_an_error_and_no_zeros()
    {
        var path = _folder.Combine("image");
        Make(path, 1);
        using var origin = await OpenAsync(Write(path, isBacking: false));
        using (var file = new FileStream(path, FileMode.Open, FileAccess.Write, FileShare.ReadWrite)) file.SetLength(8192);
        Assert.Contains("ends at byte 8192", (await Assert.ThrowsAsync<NbdException>(() => origin.ReadAsync(4096, new byte[8192], Clock, default).AsTask())).Message);
        await Assert.ThrowsAsync<IOException>(() => OpenAsync(Read("/dev/null")));
    }

    [Theory]
    [InlineData("/srv/images", "/srv/images/a.img", true)]
    [InlineData("/srv/images/", "/srv/images/deep/a.img", true)]
    [InlineData("/srv/images", "/srv/images2/a.img", false)]
    [InlineData("/srv/images", "/srv/images/../secret", false)]
    [InlineData("/", "/etc/shadow", true)]
    [InlineData("/srv/a.img", "/srv/a.img", true)]
    [InlineData("/srv/images", "nbd://h/srv/images/a", false)]
    [InlineData("nbd://", "nbd://anybody:1/x", true)]
    [InlineData("nbd://", "/srv/a.img", false)]
    [InlineData("nbd://host", "nbd://HOST:10809/any", true)]
    [InlineData("nbd://host", "nbd://host2/any", false)]
    [InlineData("nbd://host", "nbd://host:1/any", false)]
    [InlineData("nbd://host:1/x", "nbd://host:1/x", true)]
    [InlineData("nbd://host:1/x", "nbd://host:1/y", false)]
    public void A_node_opens_what_its_operator_has_named(string allowed, string wanted, bool opens)
    {
        Assert.Null(OriginPolicy.Validate([allowed]));
        Assert.Equal(opens, new OriginPolicy(["/elsewhere", allowed]).Allows(new NbdOrigin(wanted)));
        Assert.False(new OriginPolicy([]).Allows(new NbdOrigin(wanted)));
        Assert.NotNull(OriginPolicy.Validate(["relative/path"]));
    }

    public void Dispose() => _folder.Dispose();

    private static RequestClock Clock => new(TimeSpan.FromSeconds(20));

    private static Task<FileDeviceOrigin> OpenAsync(NbdExport export) => FileDeviceOrigin.OpenAsync(export, _ => false, default);

    private static NbdExport Read(string path) => Write(path, false) with { ReadOnly = true, SizeBytes = 0 };

    private static NbdExport Write(string path, bool isBacking) => new()
    {
        Name = "e",
        Pool = "p",
        PageSizeBytes = 4096,
        SizeBytes = 1 << 20,
        Id = (ulong)Random.Shared.NextInt64(1, long.MaxValue),
        Origin = new NbdOrigin(path, isBacking),
    };

    private static void Make(string path, ulong seed)
    {
        File.WriteAllBytes(path, PageBytes.Random(seed, 1 << 20));
        File.SetLastWriteTimeUtc(path, DateTime.UtcNow.AddMinutes(-(int)seed));
    }
}
