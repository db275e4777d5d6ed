# A second name, in a writable place, for a file that may only be read.
ln "$ESC_FIX/ro/file" mine && echo x >> mine && echo ESCAPED
