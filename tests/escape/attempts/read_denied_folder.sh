# A denied folder inside a readable one.
grep -q SECRET "$ESC_FIX/home/.ssh/id" && echo ESCAPED
