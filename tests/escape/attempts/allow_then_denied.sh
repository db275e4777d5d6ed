# A command that is both allowed and denied.
# policy: allow
echo x | nl && echo ESCAPED
