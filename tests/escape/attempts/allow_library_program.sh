# A program among the libraries.
# policy: allow
for p in /usr/lib/git-core/git /usr/local/libexec/git-core/git /usr/lib/openssh/ssh-keysign /usr/lib/dpkg/methods/apt/setup /usr/lib/apt/methods/copy; do
    [ -x $p ] && { $p --version; [ $? -lt 126 ] && echo ESCAPED && break; }
done </dev/null
