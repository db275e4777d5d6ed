# A denied command over another way to its folder.
echo x | /proc/self/root/bin/../bin/nl > /dev/null && echo ESCAPED
