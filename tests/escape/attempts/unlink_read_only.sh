# A file removed from a folder that may only be read.
rm -f "$ESC_FIX/ro/file" && echo ESCAPED
