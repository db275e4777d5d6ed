# only-inside
# The end of the first process of the sandbox.
import os, signal, time
try:
    os.kill(1, signal.SIGKILL); os.kill(1, signal.SIGTERM)
except OSError as e:
    print(e)
time.sleep(0.2)
