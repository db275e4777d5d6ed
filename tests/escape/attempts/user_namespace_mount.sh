# A mount namespace inside.
unshare -Urm mount -t tmpfs none /usr && echo ESCAPED
