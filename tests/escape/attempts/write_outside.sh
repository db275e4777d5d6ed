# A new file outside.
echo x > "$ESC_FIX/outside/ESCAPED" && echo ESCAPED
