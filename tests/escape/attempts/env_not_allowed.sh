# A variable that no pattern allows.
[ -n "$OTHER_SECRET" ] && echo ESCAPED
