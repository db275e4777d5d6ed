# Entering a namespace.
# needs: root
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
call = lambda *a: libc.syscall(*[ctypes.c_long(x) if isinstance(x, int) else x for x in a])
fd = os.open("/proc/self/ns/uts", os.O_RDONLY)
r = call(308, fd, 0)
if r >= 0: print("ESCAPED")
else: print(os.strerror(ctypes.get_errno()))
