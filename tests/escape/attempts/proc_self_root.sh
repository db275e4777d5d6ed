# The root of this process, as /proc shows it.
grep -q SECRET "/proc/self/root$ESC_FIX/outside/file" && echo ESCAPED
