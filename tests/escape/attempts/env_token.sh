# A variable that the policy denies, though another pattern allows it.
[ -n "$ESC_API_TOKEN" ] && echo ESCAPED
