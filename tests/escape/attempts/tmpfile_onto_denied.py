# A file without a name, given the name of a denied one that is not there.
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
os.makedirs(".later", exist_ok=True)
fd = os.open(".", os.O_TMPFILE | os.O_RDWR, 0o600)
os.write(fd, b"x")
if libc.linkat(-100, f"/proc/self/fd/{fd}".encode(), -100, b".later/deep", 0x400) == 0: print("ESCAPED")
else: print(os.strerror(ctypes.get_errno()))
