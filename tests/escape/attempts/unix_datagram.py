# A datagram to a socket by its path, which needs no connection.
import os, socket
for make in (lambda: socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM), lambda: socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)[0]):
    try: make().sendto(b"x", os.environ["ESC_FIX"] + "/datagram.sock"); print("ESCAPED")
    except OSError as e: print(e)
