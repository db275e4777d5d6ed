# Flags of a file that may only be read (chattr).
import array, fcntl, os
fd = os.open(os.environ["ESC_FIX"] + "/ro/file", os.O_RDONLY)
flags = array.array("i", [0]); fcntl.ioctl(fd, 0x80086601, flags)
fcntl.ioctl(fd, 0x40086602, flags); print("ESCAPED")
