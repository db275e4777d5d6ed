# Shared memory of the host by its name.
import os
path = "/dev/shm/weft-escape-" + os.environ["ESC_TEST"]
if "SECRET" in open(path).read(): print("ESCAPED")
