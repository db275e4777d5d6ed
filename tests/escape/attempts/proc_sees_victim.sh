# Sight of other processes.
[ "$(tr '\0' ' ' < /proc/$ESC_VICTIM/cmdline)" = "sleep 600 " ] && echo ESCAPED
