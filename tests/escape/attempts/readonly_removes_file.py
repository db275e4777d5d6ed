# A file removed under a profile that changes nothing.
# policy: readonly
import os
os.unlink("file"); print("ESCAPED")
