# Truncation needs no open for writing.
import os
os.truncate(os.environ["ESC_FIX"] + "/ro/file", 0); print("ESCAPED")
