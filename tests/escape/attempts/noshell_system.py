# A shell, where none may run.
# policy: noshell
import os
os.system("echo ESCAPED")
