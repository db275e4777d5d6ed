# A program in memory, without a path.
import os
fd = os.memfd_create("x", 0)
os.write(fd, open("/usr/bin/true", "rb").read())
if os.fork() == 0:
    os.execve(fd, ["x"], {})
if os.wait()[1] == 0: print("ESCAPED")
