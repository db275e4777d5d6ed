# only-inside
# The first process of the sandbox, which has seen the outside.
{ cat /proc/1/environ || ls /proc/1/fd/ || ls /proc/1/root/ || cat /proc/1/maps; } && echo ESCAPED
