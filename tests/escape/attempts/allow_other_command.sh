# A command that is not on the list of allowed ones.
# policy: allow
/usr/bin/od -c /dev/null && echo ESCAPED
