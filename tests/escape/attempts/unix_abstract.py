# A Unix socket without a path.
import os, socket
s = socket.socket(socket.AF_UNIX); s.connect("\0weft-escape-" + os.environ["ESC_TEST"]); print("ESCAPED")
