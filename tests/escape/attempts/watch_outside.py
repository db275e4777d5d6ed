# Names of files that come and go in a folder that no rule names.
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
fd = libc.inotify_init1(0)
if libc.inotify_add_watch(fd, (os.environ["ESC_FIX"] + "/outside").encode(), 0x100) >= 0: print("ESCAPED")
else: print(os.strerror(ctypes.get_errno()))
