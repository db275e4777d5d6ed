# Permission bits over a descriptor that was opened for reading.
import os
os.fchmod(os.open(os.environ["ESC_FIX"] + "/ro/file", os.O_RDONLY), 0o600); print("ESCAPED")
