# The same, by the address that means any.
import os, socket
socket.create_connection(("0.0.0.0", int(os.environ["ESC_PORT"])), 2); print("ESCAPED")
