# The list of everyone's sockets.
import socket
socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 4); print("ESCAPED")
