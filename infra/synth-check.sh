#!/usr/bin/env bash
# Synthesizes the sample with and without the CDK command line: the templates must be byte-identical, and two linters
# must have nothing to say. Nothing here is skipped: a missing tool is a failure that says how to get it.
set -euo pipefail
cd "$(dirname "$0")/.."

need() { [ -e "$1" ] || { echo "synth-check: $1 is missing: run make setup" >&2; exit 1; }; }
need node_modules/.bin/cdk
need node_modules/@aws/cloudformation-validate
need .venv/bin/cfn-lint

out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
export DOUBLELOCK_CONFIG_FILE=testdata/config/sample.yaml
export CDK_DISABLE_CLI_TELEMETRY=true JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION=20

CDK_OUTDIR="$out/plain" go run ./infra
npx --no-install cdk synth --quiet --output "$out/cli" >/dev/null

for template in "$out"/plain/*.template.json; do
  cmp "$template" "$out/cli/$(basename "$template")"
done
[ "$(ls "$out"/plain/*.template.json | wc -l)" = "$(ls "$out"/cli/*.template.json | wc -l)" ]

# W8003: the rule that refuses a deployment without Lambda binaries never holds, on purpose.
.venv/bin/cfn-lint --ignore-checks W8003 -- "$out"/plain/*.template.json testdata/templates/*.json testdata/templates/*/*.json
node infra/validate.cjs "$out"/plain/*.template.json testdata/templates/*.json testdata/templates/*/*.json
echo "synth-check: $(ls "$out"/plain/*.template.json | wc -l) templates, with and without the CDK command line the same, lint clean"
