using Grid.Node.Memory;
using Xunit;

namespace Grid.Tests.Memory;

public sealed class SizeClassesTests
{
    [Fact]
    public void Every_length_gets_the_smallest_class_that_holds_it_and_wastes_at_most_an_eighth()
    {
        for (var bytes = 1; bytes <= SizeClasses.MaxFrameBytes; bytes++)
        {
            var sizeClass = SizeClasses.For(bytes);
            var frame = SizeClasses.FrameBytes(sizeClass);
            Assert.True(frame >= bytes, $"{bytes} bytes in a frame of {frame}");
            if (sizeClass > 0) Assert.True(SizeClasses.FrameBytes(sizeClass - 1) < bytes, $"{bytes} bytes fit a smaller frame than {frame}");
            if (bytes > SizeClasses.MinFrameBytes) Assert.True((frame - bytes) * 8 <= frame, $"{bytes} bytes waste {frame - bytes} of {frame}");
        }
    }

    [Fact]
    public void Every_page_size_has_a_class_of_its_own_and_a_slab_holds_512_small_pages()
    {
        for (var bytes = 4096; bytes <= 65536; bytes *= 2) Assert.Equal(bytes, SizeClasses.FrameBytes(SizeClasses.For(bytes)));
        Assert.Equal(512, NativeRegion.SlabBytes / SizeClasses.FrameBytes(SizeClasses.For(4096)));
        Assert.Equal(SizeClasses.MaxFrameBytes, SizeClasses.FrameBytes(SizeClasses.Count - 1));
    }
}
