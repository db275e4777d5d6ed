# The same, read by the loader.
# policy: allow
/lib64/ld-linux-x86-64.so.2 /usr/bin/od -c /dev/null && echo ESCAPED
