# needs: nothing
# A shared folder of the system that everybody may write.
import os
path = "/var/tmp/weft-escape-%d" % os.getpid()
try:
    os.close(os.open(path, os.O_CREAT | os.O_WRONLY))
    inside = os.environ["ESC_INSIDE"]
    print("ESCAPED")
finally:
    os.path.exists(path) and os.unlink(path)
