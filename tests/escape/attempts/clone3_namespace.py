# clone3(2), whose flags hide behind a pointer.
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
call = lambda *a: libc.syscall(*[ctypes.c_long(x) if isinstance(x, int) else x for x in a])
args = (ctypes.c_uint64 * 8)(0x10000000, 0, 0, 0, 17, 0, 0, 0)
r = call(435, args, 64)
if r == 0: os._exit(0)
if r >= 0: print("ESCAPED")
else: print(os.strerror(ctypes.get_errno()))
