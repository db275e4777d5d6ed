# A variable that steers the loader.
[ -n "$GCONV_PATH" ] && echo ESCAPED
