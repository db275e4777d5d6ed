# A Unix socket by its path, as Docker's is.
import os, socket
s = socket.socket(socket.AF_UNIX); s.connect(os.environ["ESC_FIX"] + "/outside.sock"); print("ESCAPED")
