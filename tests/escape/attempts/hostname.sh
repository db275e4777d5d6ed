# needs: root
# The machine's name.
hostname "$(cat /proc/sys/kernel/hostname)" && echo ESCAPED
