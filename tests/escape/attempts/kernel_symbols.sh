# The kernel's symbols.
head -1 /proc/kallsyms | grep -q . && echo ESCAPED
