# A socket under a profile for files.
# policy: file-worker
import socket
socket.socket(); print("ESCAPED")
