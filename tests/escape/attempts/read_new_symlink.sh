# A symlink made inside.
ln -s "$ESC_FIX/outside" new && grep -q SECRET new/file && echo ESCAPED
