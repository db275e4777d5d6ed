# A process that makes itself a child of its grandparent, in a session of its own, and goes on after the run.
# late
import ctypes, os, time
libc = ctypes.CDLL(None, use_errno=True)
pid = libc.syscall(ctypes.c_long(56), ctypes.c_long(0x8000 | 17), 0, 0, 0, 0)
if pid == 0:
    os.setsid()
    if os.fork(): os._exit(0)
    os.closerange(0, 3)
    time.sleep(0.5); open("ESCAPED", "w").write("x")
    os._exit(0)
