# A file that no rule names, by its absolute path.
grep -q SECRET "$ESC_FIX/outside/file" && echo ESCAPED
