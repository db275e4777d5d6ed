# The environment of another process of the same user.
tr '\0' '\n' < "/proc/$ESC_VICTIM/environ" | grep -q ESC_VICTIM_SECRET && echo ESCAPED
