# only-inside
# Signals to the processes of weft that watch over this one.
import os, signal, time
for pid in (os.getppid(), os.getppid() - 1, os.getppid() + 1, os.getpgid(0)):
    for sig in (signal.SIGSTOP, signal.SIGKILL):
        if pid not in (0, os.getpid()):
            try: os.kill(pid, sig); print("sent", pid)
            except OSError as e: print(pid, e)
try: open(os.environ["ESC_FIX"] + "/outside/ESCAPED", "w")
except OSError as e: print(e)
