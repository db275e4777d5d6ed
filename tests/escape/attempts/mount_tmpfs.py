# mount(2).
# needs: root
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
call = lambda *a: libc.syscall(*[ctypes.c_long(x) if isinstance(x, int) else x for x in a])
r = call(165, b"none", b"/mnt", b"tmpfs", 0, 0)
if r == 0: libc.umount2(b"/mnt", 2)
if r >= 0: print("ESCAPED")
else: print(os.strerror(ctypes.get_errno()))
