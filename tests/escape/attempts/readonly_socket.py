# A socket under a profile without any.
# policy: readonly
import socket
socket.socket(); print("ESCAPED")
