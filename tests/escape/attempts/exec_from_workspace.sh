# A program copied to the writable workspace.
cp /usr/bin/true mine && ./mine && echo ESCAPED
