# A denied command under another argv[0].
echo x | (exec -a cat nl) > /dev/null && echo ESCAPED
