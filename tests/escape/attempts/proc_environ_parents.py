# The environment, memory and descriptors of every process above this one.
import os
def parent(pid):
    try: return int(open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[1])
    except OSError: return 0
pids, pid = {os.getppid(), int(os.environ["ESC_TEST"]), int(os.environ["ESC_VICTIM"]), 1}, os.getppid()
while pid > 1:
    pids.add(pid); pid = parent(pid)
for pid in pids - {os.getpid()}:
    for name in ("environ", "maps", "cmdline"):
        try:
            text = open(f"/proc/{pid}/{name}", "rb").read()
            # Those inside may be looked at: they are the sandbox's own.
            if b"weft-escape" not in text and b"attempts/" not in text or b"ESC_VICTIM_SECRET" in text or b"OTHER_SECRET" in text: print("ESCAPED")
        except OSError as e: print(pid, name, e)
