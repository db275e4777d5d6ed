# A protocol next to TCP that rules about TCP do not see.
import os, socket
s = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 262)
print("ESCAPED")
