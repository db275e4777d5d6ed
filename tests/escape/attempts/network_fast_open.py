# The connection made by the first send.
import os, socket
s = socket.socket()
s.sendto(b"x", 0x20000000, ("127.0.0.1", int(os.environ["ESC_PORT"]))); print("ESCAPED")
