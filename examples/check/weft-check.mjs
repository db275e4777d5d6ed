#!/usr/bin/env node
// An agent in JavaScript that asks weft before it acts; the types in the comments are TypeScript's.
//
//     weft check --policy weft.toml --serve weft.sock &
//     node examples/check/weft-check.mjs weft.sock
//
// Needs nothing but Node 18.

import { createConnection } from "node:net";
import { createInterface } from "node:readline";
import { readFile, writeFile } from "node:fs/promises";
import { resolve } from "node:path";

/** The policy does not allow it, or weft could not be asked, which means the same. */
export class Denied extends Error {}

/**
 * @typedef {{ file: string, line: number, key: string }} Rule
 * @typedef {{ id: number | null, allowed: boolean, reason: string, rule: Rule | null }} Answer
 * @typedef {"read" | "write" | "exec" | "connect" | "tool" | "env"} Action
 */

/** A connection to `weft check --serve`. Questions may be asked at the same time; answers come in their order. */
export class Weft {
  /** @type {Map<number, { resolve: (answer: Answer) => void, reject: (why: Error) => void }>} */
  #waiting = new Map();
  #asked = 0;
  #gone = false;
  #socket;

  /** @param {string} path */
  constructor(path) {
    this.#socket = createConnection(path);
    createInterface({ input: this.#socket }).on("line", (line) => this.#answer(line));
    const gone = () => this.#fail(new Denied("weft is gone"));
    this.#socket.on("error", gone).on("close", gone);
  }

  /** @param {string} line */
  #answer(line) {
    const answer = JSON.parse(line);
    const waiting = this.#waiting.get(answer.id);
    // An answer to no question says that something is wrong.
    if (!waiting) return this.#fail(new Denied(answer.reason ?? "no answer"));
    this.#waiting.delete(answer.id);
    waiting.resolve(answer);
  }

  /** @param {Error} why */
  #fail(why) {
    this.#gone = true;
    for (const { reject } of this.#waiting.values()) reject(why);
    this.#waiting.clear();
  }

  /**
   * @param {Action} action
   * @param {string} target
   * @param {Record<string, unknown>} [input] the arguments, if it is a tool
   * @returns {Promise<Answer>}
   */
  ask(action, target, input) {
    if (this.#gone) return Promise.reject(new Denied("weft is gone"));
    const id = ++this.#asked;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#socket.write(JSON.stringify({ id, action, target, input }) + "\n");
    });
  }

  /** Returns if it is allowed, and throws `Denied` if not.
   * @param {Action} action
   * @param {string} target
   * @param {Record<string, unknown>} [input]
   */
  async require(action, target, input) {
    const answer = await this.ask(action, target, input);
    if (answer.allowed !== true) throw new Denied(answer.reason);
  }

  close() {
    this.#socket.end();
  }
}

/** Tools that a model may call. Each asks first: for itself with its arguments, and for what it does. */
const tools = {
  /** @param {Weft} weft @param {{ path: string }} input */
  async read_file(weft, { path }) {
    await weft.require("read", resolve(path));
    return readFile(path, "utf8");
  },
  /** @param {Weft} weft @param {{ path: string, text: string }} input */
  async write_file(weft, { path, text }) {
    await weft.require("write", resolve(path));
    await writeFile(path, text);
    return `${text.length} characters written`;
  },
};

async function main() {
  const weft = new Weft(process.argv[2]);
  // What a model might want, one after the other.
  for (const [tool, input] of [
    ["write_file", { path: "notes.md", text: "hello" }],
    ["read_file", { path: "notes.md" }],
    ["read_file", { path: ".env" }],
    ["read_file", { path: "/etc/shadow" }],
    ["delete_everything", {}],
  ]) {
    try {
      await weft.require("tool", tool, input);
      console.log(`${tool}: ${await tools[tool](weft, input)}`);
    } catch (error) {
      if (!(error instanceof Denied)) throw error;
      console.log(`${tool} denied: ${error.message}`);
    }
  }
  weft.close();
}

await main();
