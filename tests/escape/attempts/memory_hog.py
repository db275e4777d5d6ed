# More memory than the policy allows.
b = bytearray(1200 << 20)
for i in range(0, len(b), 4096): b[i] = 1
print("ESCAPED")
