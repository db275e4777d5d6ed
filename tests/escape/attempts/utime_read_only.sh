# Times of a file that may only be read.
touch -d 2001-01-01 "$ESC_FIX/ro/file" && echo ESCAPED
