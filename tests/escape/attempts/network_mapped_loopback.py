# The same, written as an IPv6 address.
import os, socket
socket.create_connection(("::ffff:127.0.0.1", int(os.environ["ESC_PORT"])), 2); print("ESCAPED")
