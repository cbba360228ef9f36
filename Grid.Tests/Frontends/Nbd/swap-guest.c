/* The one program of a guest that swaps: fills more memory than the machine has with pages that are all different, then reads and rewrites all of them, pass after pass, until a
 * line comes on its input; then it makes one more pass from beginning to end. Any byte that is not the one last written ends it. */
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

enum { WORDS = 512, HEAD = 8 };

static uint64_t mixed(uint64_t x) {
    x ^= x >> 30, x *= 0xbf58476d1ce4e5b9ull;
    x ^= x >> 27, x *= 0x94d049bb133111ebull;
    return x ^ (x >> 31);
}

/* Every word tells its page and the pass that wrote it. Odd pages are random all through; even ones compress. */
static uint64_t word(uint64_t page, uint64_t pass, int i) {
    return mixed(page << 24 ^ pass << 10 ^ (page % 2 || i < HEAD ? i : HEAD));
}

static double seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec + now.tv_nsec / 1e9;
}

static int asked_to_end(void) {
    struct pollfd input = { .fd = 0, .events = POLLIN };
    char line[64];
    return poll(&input, 1, 0) > 0 && read(0, line, sizeof line) > 0;
}

int main(int count, char **arguments) {
    long pages = count > 1 ? atol(arguments[1]) * 256 : 0;
    uint64_t *memory = mmap(NULL, pages * WORDS * 8, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (pages == 0 || memory == MAP_FAILED) return printf("WRONG: no memory\n"), 2;
    double begin = seconds();
    for (long page = 0; page < pages; page++)
        for (int i = 0; i < WORDS; i++) memory[page * WORDS + i] = word(page, 0, i);
    printf("FILLED %ld pages in %.1f s\n", pages, seconds() - begin), fflush(stdout);
    long last = -1;
    for (long pass = 1; pass != last + 1 || last < 0; pass++) {
        double longest = 0;
        begin = seconds();
        for (long page = 0; page < pages; page++) {
            uint64_t *at = memory + page * WORDS;
            double before = seconds();
            for (int i = 0; i < WORDS; i++) {
                if (at[i] != word(page, pass - 1, i))
                    return printf("WRONG: page %ld, word %d, pass %ld: %016llx\n", page, i, pass, (unsigned long long)at[i]), 2;
                at[i] = word(page, pass, i);
            }
            double waited = seconds() - before;
            if (waited > longest) longest = waited;
        }
        printf("PASS %ld right in %.1f s, the longest wait %.1f s\n", pass, seconds() - begin, longest), fflush(stdout);
        if (last < 0 && asked_to_end()) last = pass + 1;
    }
    printf("EVERY BYTE RIGHT\n");
    return 0;
}
