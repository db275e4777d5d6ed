# The environment of whoever can be seen, weft's own included.
for p in /proc/[0-9]*; do tr '\0' '\n' < "$p/environ" 2>/dev/null | grep -qE '^(OTHER_SECRET|ESC_API_TOKEN)=' && echo ESCAPED && break; done
