# only-inside
# Terminals of the same user.
import os
for name in os.listdir("/dev/pts") if os.access("/dev/pts", os.R_OK) else ["0", "1", "2"]:
    try: os.open("/dev/pts/" + name, os.O_RDWR | os.O_NOCTTY); print("ESCAPED") if name.isdigit() else None
    except OSError as e: print(e)
