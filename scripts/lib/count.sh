# shellcheck shell=bash
# Sourced by what counts instructions: callgrind, with random bytes that are always the same (scripts/bench/same.c), and files always at the
# same path, so that a count is the same on every repeat. Without a user's environment: neither a home folder nor settings. Needs valgrind, gcc and libc6-dev.

# Gets ready to count, in a folder that is removed afterwards by whoever made it.
count_in() {
    count_work=$1
    mkdir -p "$count_work/home"
    count_root=/mnt
    count_run=(env -i HOME=/mnt/home PATH=/usr/bin:/bin LC_ALL=C)
    count_same=("$count_work/same" "$count_work")
    gcc -O2 -static -o "$count_work/same" scripts/bench/same.c
    if ! "${count_run[@]}" "${count_same[@]}" / /bin/true 2>/dev/null; then
        echo "SKIPPED: random bytes that are always the same: no namespaces here, so counts differ by some hundred instructions" >&2
        count_root=$count_work count_same=(env -C)
        count_run=(env -i "HOME=$count_work/home" PATH=/usr/bin:/bin LC_ALL=C)
    fi
}

# Prints the instructions of a program that starts in a folder of that folder and ends with one of the exit codes:
# counted "0 1" home PROGRAM [ARGUMENT...]
counted() {
    local codes=$1 place=$2 status=0 number
    shift 2
    "${count_run[@]}" "${count_same[@]}" "$count_root/$place" "$(command -v valgrind)" --tool=callgrind --callgrind-out-file=/dev/null "$@" >"$count_work/out" 2>"$count_work/err" || status=$?
    number=$(sed -n 's/.*Collected : //p' "$count_work/err" | tail -n 1)
    case " $codes " in
        *" $status "*) ;;
        *) printf 'weft: counting: %s ended with %s:\n' "$*" "$status" >&2; tail -n 5 "$count_work/err" >&2; return 2 ;;
    esac
    [ -n "$number" ] || { echo "weft: counting: callgrind counted nothing for $*" >&2; return 2; }
    echo "$number"
}

# What counts depend on: the compiler, and a little on what vectors the processor has.
count_depends() {
    local vectors
    vectors=$(grep -qw avx2 /proc/cpuinfo && echo ' with AVX2' || true)
    echo "$("${RUSTC:-rustc}" --version), $(uname -m)$vectors"
}
