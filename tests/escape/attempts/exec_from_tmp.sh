# A program copied to the temporary folder.
t=$(mktemp -d) && cp /usr/bin/true $t/mine && $t/mine && echo ESCAPED; rm -r $t
