# Times over a descriptor that was opened for reading.
import os
os.utime(os.open(os.environ["ESC_FIX"] + "/ro/file", os.O_RDONLY), (1, 1)); print("ESCAPED")
