# A denied command by its absolute path.
echo x | /usr/bin/nl > /dev/null && echo ESCAPED
