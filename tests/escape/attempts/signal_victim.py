# A signal to a process outside.
import os
os.kill(int(os.environ["ESC_VICTIM"]), 0); print("ESCAPED")
