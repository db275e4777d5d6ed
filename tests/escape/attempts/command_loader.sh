# A denied command through the loader.
echo x | /lib64/ld-linux-x86-64.so.2 /usr/bin/nl > /dev/null && echo ESCAPED
