/* Starts a program for which every random byte is zero and the folder it works in has always the same path, so that what it hashes and
 * counts is the same on every run.
 *
 *   same FOLDER PLACE PROGRAM [ARGUMENT...]
 *
 * FOLDER is at /mnt for the program, which starts in PLACE.
 * Rust's hash tables are seeded from getrandom, or where that is missing from /dev/urandom: the call is missing for the program (seccomp),
 * and the file is /dev/zero (a mount of its own). For measuring alone: keys made so are worth nothing. Ends with 125 where namespaces are
 * not allowed.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

int main(int argc, char **argv) {
    struct sock_filter lines[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getrandom, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    struct sock_fprog filter = {sizeof lines / sizeof *lines, lines};
    if (argc < 4) {
        fprintf(stderr, "usage: same FOLDER PLACE PROGRAM [ARGUMENT...]\n");
        return 2;
    }
    if ((unshare(CLONE_NEWNS) && unshare(CLONE_NEWUSER | CLONE_NEWNS)) || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
        mount("/dev/zero", "/dev/urandom", NULL, MS_BIND, NULL) || mount(argv[1], "/mnt", NULL, MS_BIND, NULL) || chdir(argv[2]) ||
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
        prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter)) {
        perror("same");
        return 125;
    }
    execv(argv[3], argv + 3);
    perror(argv[3]);
    return 127;
}
