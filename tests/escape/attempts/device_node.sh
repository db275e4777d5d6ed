# needs: root
# A device of the host made inside.
mknod dev b 254 0 && echo ESCAPED
