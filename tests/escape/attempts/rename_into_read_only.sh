# A file moved into a folder that may only be read.
mv file "$ESC_FIX/ro/new" && echo ESCAPED
