# The memory of another process.
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
call = lambda *a: libc.syscall(*[ctypes.c_long(x) if isinstance(x, int) else x for x in a])
buf = ctypes.create_string_buffer(b"SECRET"); out = ctypes.create_string_buffer(6)
class V(ctypes.Structure): _fields_ = [("p", ctypes.c_void_p), ("n", ctypes.c_size_t)]
a, b = V(ctypes.addressof(out), 6), V(ctypes.addressof(buf), 6)
r = call(310, os.getpid(), ctypes.byref(a), 1, ctypes.byref(b), 1, 0)
if r >= 0: print("ESCAPED")
else: print(os.strerror(ctypes.get_errno()))
