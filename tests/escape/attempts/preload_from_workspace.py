# Code from the workspace mapped executable.
import mmap, os
open("lib", "wb").write(open("/usr/bin/true", "rb").read())
mmap.mmap(os.open("lib", os.O_RDONLY), 4096, mmap.MAP_PRIVATE, mmap.PROT_READ | mmap.PROT_EXEC); print("ESCAPED")
