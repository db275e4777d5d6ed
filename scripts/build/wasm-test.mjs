#!/usr/bin/env node
// Does the WebAssembly module say the same as the program? Scans folders with both, asks both about policies, and compares every
// field but the time it took; hashes the example of docs/skill-hash.md; gives wrong input. Exit code 1 where they differ.
//
//   scripts/build/wasm-test.mjs WEFT FOLDER...
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const top = fileURLToPath(new URL('../..', import.meta.url));
const { Weft } = await import(join(top, 'target/wasm/weft.mjs'));
const module = await WebAssembly.compile(readFileSync(join(top, 'target/wasm/weft.wasm')));
assert.deepEqual(WebAssembly.Module.imports(module), [], 'the module imports something');
const weft = await Weft.load(module);

const [program, ...folders] = process.argv.slice(2).map((path) => resolve(path));
if (!program || folders.length === 0) {
  console.error('usage: wasm-test.mjs WEFT FOLDER...');
  process.exit(2);
}
const home = mkdtempSync(join(tmpdir(), 'weft-wasm-'));
process.on('exit', () => rmSync(home, { recursive: true }));
const native = (cwd, ...words) => {
  const done = spawnSync(program, words, { cwd, encoding: 'utf8', env: { HOME: home, PATH: process.env.PATH }, maxBuffer: 1 << 28 });
  assert.ok(done.status === 0 || done.status === 1, `${words.join(' ')}: ${done.stderr}`);
  return JSON.parse(done.stdout);
};
const plain = (report) => ({ ...report, tool: null, summary: { ...report.summary, duration_us: 0 } });
const walk = (folder) => readdirSync(folder, { withFileTypes: true, recursive: true })
  .filter((entry) => entry.isFile())
  .map((entry) => join(entry.parentPath ?? entry.path, entry.name))
  .sort();

let compared = 0, findings = 0;
for (const folder of folders) {
  const files = walk(folder).map((path) => ({ path: relative(folder, path), bytes: readFileSync(path) }));
  const root = folder.split('/').at(-1);
  for (const gate of [false, true]) {
    for (const persona of ['regular', 'pedantic', 'auditor']) {
      const words = ['security', 'scan', '--format', 'json', '--persona', persona, ...(gate ? ['--gate'] : []), root];
      const theirs = plain(native(resolve(folder, '..'), ...words));
      const ours = plain(weft.scan(files, { root, gate, persona }));
      assert.deepEqual(ours, theirs, `${words.join(' ')} says something else`);
      compared += 1;
      findings += ours.findings.length;
    }
  }
}
assert.ok(findings > 0, 'nothing was found anywhere: the comparison proves nothing');

let answers = 0, denied = 0;
for (const name of readdirSync(join(top, 'policies')).filter((name) => name.endsWith('.toml'))) {
  const text = readFileSync(join(top, 'policies', name), 'utf8');
  const file = `policies/${name}`;
  const checked = weft.policyCheck(file, text);
  assert.deepEqual(checked.files[0].errors, [], file);
  for (const [verb, target] of [['connect', 'pypi.org:443'], ['connect', '169.254.169.254:80'], ['tool', 'Bash'], ['env', 'LD_PRELOAD'], ['env', 'HOME']]) {
    const theirs = native(top, 'policy', 'why', '--format', 'json', '--policy', file, verb, target);
    const ours = weft.policyWhy(file, text, verb, target, { workspace: resolve(top), home });
    // The hash is of what the paths of a machine came to.
    assert.deepEqual({ ...ours, policy_hash: 0 }, { ...theirs, policy_hash: 0 }, `${file}: ${verb} ${target}`);
    answers += 1;
    denied += ours.allowed ? 0 : 1;
  }
}
assert.ok(denied > 0 && denied < answers, 'every answer is the same');
assert.equal(weft.policyWhy('x', 'version = 1\nextends = ["base"]\n', 'read', '/home/user/.ssh/id_ed25519').allowed, false);
assert.match(weft.policyCheck('x', 'version = 1\nnonsense = 2\n').files[0].errors[0].message, /nonsense/);

// The tree of the documentation, hashed by coreutils there.
const sha256 = (text) => execFileSync('sha256sum', { input: text, encoding: 'utf8' }).slice(0, 64);
const tree = [{ path: 'SKILL.md', text: '# demo\n' }, { path: 'scripts/run.sh', text: 'echo\n' }];
const listing = 'weft-skill-tree-v1\n' + tree.map(({ path, text }) => `${sha256(text)} ${text.length} ${path}\n`).join('');
assert.equal(weft.hash([...tree].reverse()).content_hash, sha256(listing));
for (const [what, ask] of Object.entries({
  'a path that leaves': () => weft.hash([{ path: '../x', text: '' }]),
  'no content': () => weft.scan([{ path: 'x' }]),
  'a persona that is none': () => weft.scan([], { persona: 'brave' }),
  'a verb that is none': () => weft.policyWhy('x', 'version = 1\n', 'fly', 'away'),
})) {
  assert.throws(ask, Error, what);
}
assert.equal(weft.scan([]).findings.length, 0);
console.log(`the same: ${compared} scans with ${findings} findings, ${answers} answers about policies; hash and mistakes as documented`);
