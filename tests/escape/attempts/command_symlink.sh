# A denied command through a symlink.
ln -s /usr/bin/nl mine && echo x | ./mine > /dev/null && echo ESCAPED
