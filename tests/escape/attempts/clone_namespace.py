# clone(2) with namespace flags.
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
call = lambda *a: libc.syscall(*[ctypes.c_long(x) if isinstance(x, int) else x for x in a])
r = call(56, 0x10000000 | 17, 0, 0, 0, 0)
if r == 0: os._exit(0)
if r >= 0: print("ESCAPED")
else: print(os.strerror(ctypes.get_errno()))
