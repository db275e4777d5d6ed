// weft's scanner, skill hash and policy questions as functions, by the WebAssembly module beside this file. Runs in browsers, Node,
// and edge workers; the module imports nothing, so it can read nothing but what it is given.
//
//   import { Weft } from './weft.mjs';
//   const weft = await Weft.load(bytes);                 // or nothing: fetched from beside this file
//   weft.scan([{ path: 'SKILL.md', text: '…' }]);        // the report of `weft security scan --format json` (docs/json.md)
//   weft.hash([{ path: 'SKILL.md', text: '…' }]).content_hash;
//   weft.policyCheck('weft.toml', text);                 // the report of `weft policy check --format json`
//   weft.policyWhy('weft.toml', text, 'connect', 'pypi.org:443').allowed;
//
// A file is { path, text } or { path, bytes: Uint8Array }. What is wrong with the input is an Error. A trap (which would be a mistake
// of weft) leaves the instance unusable: load another.

const SCAN = 0, HASH = 1, CHECK = 2, WHY = 3;

const base64 = (bytes) => {
  let text = '';
  for (let at = 0; at < bytes.length; at += 0x8000) text += String.fromCharCode(...bytes.subarray(at, at + 0x8000));
  return btoa(text);
};
const listed = (files) => files.map(({ path, text, bytes }) => (bytes ? { path, base64: base64(bytes) } : { path, text }));

export class Weft {
  #calls;

  constructor(instance) {
    this.#calls = instance.exports;
  }

  /** From the module's bytes, a WebAssembly.Module, or, without either, from weft.wasm beside this file. */
  static async load(module) {
    module ??= await (await fetch(new URL('weft.wasm', import.meta.url))).arrayBuffer();
    const made = await WebAssembly.instantiate(module, {});
    return new Weft(made.instance ?? made);
  }

  /** Options: root (the name of the folder in the report), gate (trust nothing of it), persona (regular, pedantic, auditor). */
  scan(files, options = {}) {
    return this.#ask(SCAN, { ...options, files: listed(files) });
  }

  hash(files) {
    return this.#ask(HASH, { files: listed(files) });
  }

  /** Options: home and workspace, where `~` and `${WORKSPACE}` are to be. */
  policyCheck(name, text, options = {}) {
    return this.#ask(CHECK, { ...options, name, text });
  }

  /** verb: read, write, connect, tool or env. */
  policyWhy(name, text, verb, target, options = {}) {
    return this.#ask(WHY, { ...options, name, text, verb, target });
  }

  #ask(operation, question) {
    const { memory, weft_room, weft_answer, weft_done } = this.#calls;
    const input = new TextEncoder().encode(JSON.stringify(question));
    const room = weft_room(input.length);
    new Uint8Array(memory.buffer, room, input.length).set(input);
    const at = weft_answer(operation, room, input.length) >>> 0;
    const length = new DataView(memory.buffer).getUint32(at, true);
    const answer = JSON.parse(new TextDecoder().decode(new Uint8Array(memory.buffer, at + 4, length)));
    weft_done(at);
    if (answer.schema === 'weft.error/1') throw new Error(answer.message);
    return answer;
  }
}
