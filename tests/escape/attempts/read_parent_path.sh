# The same file over `..` from the workspace.
grep -q SECRET ../outside/file && echo ESCAPED
