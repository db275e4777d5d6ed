# Whether a file is there that no rule names, how large, how old.
import os
path = os.environ["ESC_FIX"] + "/outside/file"
for look in (os.stat, os.lstat, lambda p: os.access(p, os.F_OK) or 1 / 0, os.readlink, lambda p: os.fstat(os.open(p, os.O_PATH))):
    try: look(path); print("ESCAPED")
    except (OSError, ZeroDivisionError) as e: print(e)
