# A user namespace inside, for its capabilities.
unshare -U true && echo ESCAPED
