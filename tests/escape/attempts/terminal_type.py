# Typing into the terminal that weft was started from.
import fcntl, os, pty, sys
pid, fd = pty.fork() if not os.environ["ESC_INSIDE"] else (0, 0)
if pid == 0:
    try:
        fcntl.ioctl(0, 0x5412, b"x")
        print("ESCAPED", flush=True)
    except OSError as e:
        print(e)
    os._exit(0)
out = ""
try:
    while True: out += os.read(fd, 100).decode(errors="replace")
except OSError: pass
print("ESCAPED" if "ESCAPED" in out else out)
