# needs: root
# A remount that takes noexec away.
mount -o remount,exec "$ESC_FIX/ro" 2>/dev/null || mount --bind "$ESC_FIX/outside" "$ESC_FIX/ro" && { umount "$ESC_FIX/ro" 2>/dev/null; echo ESCAPED; }
