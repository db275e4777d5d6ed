# ptrace.
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
call = lambda *a: libc.syscall(*[ctypes.c_long(x) if isinstance(x, int) else x for x in a])
pid = os.fork()
if pid == 0:
    r = call(101, 0, 0, 0, 0)
    os._exit(0 if r >= 0 else 1)
r = -1 if os.waitpid(pid, 0)[1] else 0
if r >= 0: print("ESCAPED")
else: print(os.strerror(ctypes.get_errno()))
