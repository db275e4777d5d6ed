# A place outside whose name starts like one inside.
mkdir -p "$ESC_FIX/wsx" && echo x > "$ESC_FIX/wsx/file" && rm -r "$ESC_FIX/wsx" && echo ESCAPED
