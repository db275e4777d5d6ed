# A program for the kernel.
# needs: root
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
call = lambda *a: libc.syscall(*[ctypes.c_long(x) if isinstance(x, int) else x for x in a])
attr = (ctypes.c_uint32 * 32)(2, 4, 4, 1)
r = call(321, 0, attr, 128)
if r >= 0: print("ESCAPED")
else: print(os.strerror(ctypes.get_errno()))
