# A denied command by name.
echo x | nl > /dev/null && echo ESCAPED
