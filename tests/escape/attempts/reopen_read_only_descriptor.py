# A descriptor opened for reading, opened again for writing through /proc.
import os
fd = os.open(os.environ["ESC_FIX"] + "/ro/file", os.O_RDONLY)
os.write(os.open(f"/proc/self/fd/{fd}", os.O_WRONLY), b"x"); print("ESCAPED")
