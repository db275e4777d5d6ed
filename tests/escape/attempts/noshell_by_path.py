# A shell by its path, under another name.
# policy: noshell
import os
for path in ("/bin/sh", "/usr/bin/dash", "/bin/bash", "/proc/self/root/bin/sh"):
    pid = os.fork()
    if pid == 0:
        try: os.execv(path, ["cat", "-c", "echo ESCAPED"])
        except OSError as e: print(path, e, flush=True)
        os._exit(1)
    os.wait()
