# A larger file than the policy allows.
import signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
with open("big", "wb") as f:
    for _ in range(70): f.write(bytes(1 << 20))
print("ESCAPED")
