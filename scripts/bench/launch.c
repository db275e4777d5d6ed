/* Starts a program many times, in turn with /bin/true, and prints the most memory it had resident (bytes) and the ratio of the two
 * median times, in thousandths.
 *
 *   launch PAIRS PROGRAM [ARGUMENT...]
 *
 * In C and small on purpose: Linux counts what a parent had resident before exec for the child, so a parent that is larger than the
 * program would be what is measured. Build it static (musl-gcc -static).
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int by_size(const void *a, const void *b) {
    long x = *(const long *)a, y = *(const long *)b;
    return (x > y) - (x < y);
}

/* Nanoseconds from before the fork to after the end; its memory into *peak. */
static long once(char **argv, long *peak) {
    struct timespec from, to;
    struct rusage usage;
    int status;
    clock_gettime(CLOCK_MONOTONIC, &from);
    pid_t pid = vfork();
    if (pid == 0) {
        execv(argv[0], argv);
        _exit(127);
    }
    if (pid < 0 || wait4(pid, &status, 0, &usage) != pid || status != 0) {
        fprintf(stderr, "launch: %s: did not start or did not end well\n", argv[0]);
        exit(2);
    }
    clock_gettime(CLOCK_MONOTONIC, &to);
    if (usage.ru_maxrss > *peak) *peak = usage.ru_maxrss;
    return (to.tv_sec - from.tv_sec) * 1000000000L + (to.tv_nsec - from.tv_nsec);
}

int main(int argc, char **argv) {
    int pairs = argc > 2 ? atoi(argv[1]) : 0;
    if (pairs < 1 || pairs > 10000) {
        fprintf(stderr, "usage: launch PAIRS PROGRAM [ARGUMENT...]\n");
        return 2;
    }
    char *nothing[] = {"/bin/true", NULL};
    long peak = 0, other = 0;
    long *ours = calloc(pairs, sizeof *ours), *theirs = calloc(pairs, sizeof *theirs);
    int out = dup(1), null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    if (!ours || !theirs || out < 0 || null < 0 || dup2(null, 1) < 0) return 2;
    fcntl(out, F_SETFD, FD_CLOEXEC);
    for (int i = 0; i < pairs; i++) {
        ours[i] = once(argv + 2, &peak);
        theirs[i] = once(nothing, &other);
    }
    qsort(ours, pairs, sizeof *ours, by_size);
    qsort(theirs, pairs, sizeof *theirs, by_size);
    dprintf(out, "%ld %ld\n", peak * 1024, ours[pairs / 2] * 1000 / theirs[pairs / 2]);
    return 0;
}
