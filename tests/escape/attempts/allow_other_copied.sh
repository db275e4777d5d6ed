# The same, as a copy.
# policy: allow
cp /usr/bin/od mine && ./mine -c /dev/null && echo ESCAPED
