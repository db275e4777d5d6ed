# More processes than the policy allows.
import os, time, signal
n = 0
pids = []
try:
    for _ in range(80):
        pid = os.fork()
        if pid == 0:
            time.sleep(5); os._exit(0)
        pids.append(pid); n += 1
except OSError as e:
    print(e)
for pid in pids: os.kill(pid, 9)
print(n, "ESCAPED" if n >= 80 else "", sep="\n")
