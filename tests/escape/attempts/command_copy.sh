# A denied command as a copy, through the loader.
cp /usr/bin/nl mine && echo x | /lib64/ld-linux-x86-64.so.2 ./mine > /dev/null && echo ESCAPED
