# Limits, priority and processors of another process of the same user.
import os, resource
v = int(os.environ["ESC_VICTIM"])
for act in (lambda: resource.prlimit(v, resource.RLIMIT_CORE, (0, 0)), lambda: os.setpriority(os.PRIO_PROCESS, v, 19), lambda: os.sched_setaffinity(v, os.sched_getaffinity(0))):
    try: act(); print("ESCAPED")
    except OSError as e: print(e)
