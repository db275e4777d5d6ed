# Performance counters.
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
call = lambda *a: libc.syscall(*[ctypes.c_long(x) if isinstance(x, int) else x for x in a])
attr = (ctypes.c_uint32 * 32)(1, 128, 0)
attr[10] = 0x20
r = call(298, attr, 0, -1, -1, 0)
if r >= 0: print("ESCAPED")
else: print(os.strerror(ctypes.get_errno()))
