# The working folder of every other process.
for p in /proc/[0-9]*; do grep -qs SECRET "$p/cwd/../outside/file" && echo ESCAPED && break; done
