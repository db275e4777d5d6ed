# A file that may only be read.
echo x >> "$ESC_FIX/ro/file" && echo ESCAPED
