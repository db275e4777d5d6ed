# needs: root
# A knob of the kernel.
p = "/proc/sys/kernel/domainname"
text = open(p).read()
open(p, "w").write(text); print("ESCAPED")
