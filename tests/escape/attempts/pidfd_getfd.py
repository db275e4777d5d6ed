# A descriptor of another process.
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
call = lambda *a: libc.syscall(*[ctypes.c_long(x) if isinstance(x, int) else x for x in a])
fd = call(434, os.getpid(), 0)
r = call(438, fd, 1, 0)
if r >= 0: print("ESCAPED")
else: print(os.strerror(ctypes.get_errno()))
