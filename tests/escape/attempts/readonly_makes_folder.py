# A folder made under a profile that changes nothing.
# policy: readonly
import os
os.mkdir("new"); print("ESCAPED")
