# A service on the host's loopback.
import os, socket
socket.create_connection(("127.0.0.1", int(os.environ["ESC_PORT"])), 2); print("ESCAPED")
