#!/usr/bin/env bash
# Puts the table of scripts/ci/bench.sh on the pull request it was made for: one comment, which is written anew each time.
#
#   GH_TOKEN=... scripts/ci/bench-comment.sh FOLDER OWNER/REPOSITORY COMMIT
#
# The files in FOLDER were made by the pull request's own code, which may be anybody's. Nothing of them is run; the number counts only if that
# pull request's head is COMMIT, which the caller has from GitHub itself; and the text is shown as text, so that it can neither link
# nor mention anyone nor draw a picture.
set -euo pipefail
folder=${1:?usage: bench-comment.sh FOLDER OWNER/REPOSITORY COMMIT} repository=${2:?no repository} commit=${3:?no commit}
mark='<!-- weft: benchmarks -->'
die() { printf 'weft: bench-comment.sh: %s\n' "$*" >&2; exit 1; }

[ -f "$folder/comment.txt" ] && [ ! -L "$folder/comment.txt" ] || die "$folder/comment.txt: not there"
[ -f "$folder/number.txt" ] && [ ! -L "$folder/number.txt" ] || die "$folder/number.txt: not there"
number=$(head -c 20 "$folder/number.txt" | tr -d '\n')
[[ $number =~ ^[1-9][0-9]{0,8}$ ]] || die "what is said to be the number of a pull request is none"
head=$(gh api "repos/$repository/pulls/$number" --jq .head.sha)
[ "$head" = "$commit" ] || die "pull request $number is not at $commit: nothing is said"

# Printable ASCII and line ends alone, no backtick that could end the block, and no more than a comment holds.
table=$(head -c 40000 "$folder/comment.txt" | LC_ALL=C tr -cd '\12\40-\137\141-\176' | cut -c 1-200)
body=$(mktemp)
trap 'rm -f "$body"' EXIT
{
    echo "$mark"
    echo "**Benchmarks** of ${commit:0:12}, measured in turns with the commit before on a shared runner, in thousandths of each reference; less is better. What they mean: \`docs/benchmarks/README.md\`."
    echo
    echo '```text'
    printf '%s\n' "${table:-Nothing was measured.}"
    echo '```'
} >"$body"
# Our own earlier comment, by who wrote it and how it begins.
earlier=$(gh api --paginate "repos/$repository/issues/$number/comments" \
    --jq ".[] | select(.user.login == \"github-actions[bot]\" and (.body | startswith(\"$mark\"))) | .id" | head -n 1)
if [ -n "$earlier" ]; then
    gh api --method PATCH "repos/$repository/issues/comments/$earlier" --field "body=@$body" --jq .html_url
else
    gh api --method POST "repos/$repository/issues/$number/comments" --field "body=@$body" --jq .html_url
fi
