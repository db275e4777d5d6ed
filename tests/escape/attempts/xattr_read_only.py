# An extended attribute on a file that may only be read.
import os
os.setxattr(os.environ["ESC_FIX"] + "/ro/file", "user.x", b"1"); print("ESCAPED")
