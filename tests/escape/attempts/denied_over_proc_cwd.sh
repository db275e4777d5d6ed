# A denied file over the working folder as /proc shows it, and over an open folder.
exec 3< . ; grep -qs SECRET /proc/self/cwd/.env /proc/self/fd/3/.env /proc/thread-self/cwd/.env /dev/fd/3/.env && echo ESCAPED
