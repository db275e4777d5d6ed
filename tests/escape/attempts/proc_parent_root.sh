# The root of every other process.
for p in /proc/[0-9]*; do grep -qs SECRET "$p/root$ESC_FIX/outside/file" && echo ESCAPED && break; done
