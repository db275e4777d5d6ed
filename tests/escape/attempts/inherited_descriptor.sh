# needs: nothing
# A descriptor that weft was started with.
[ -z "$ESC_INSIDE" ] && exec 9< "$ESC_FIX/outside/file"
ls /proc/self/fd | grep -qx 9 && echo ESCAPED
