# The same bit given when the file is made.
import os
os.umask(0)
os.close(os.open("mine", os.O_CREAT | os.O_WRONLY, 0o4755))
if os.stat("mine").st_mode & 0o4000: print("ESCAPED")
