# Permission bits of a file that may only be read.
chmod 600 "$ESC_FIX/ro/file" && echo ESCAPED
