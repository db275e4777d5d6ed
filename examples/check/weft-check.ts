#!/usr/bin/env node
// An agent in TypeScript that asks weft before it acts.
//
//     weft check --policy weft.toml --serve weft.sock &
//     node examples/check/weft-check.ts weft.sock
//
// Needs nothing but Node 22.18 or newer, which leaves the types out by itself; Node 22.6 does with --experimental-strip-types.

import { createConnection, type Socket } from "node:net";
import { createInterface } from "node:readline";
import { readFile, writeFile } from "node:fs/promises";
import { resolve } from "node:path";

type Action = "read" | "write" | "exec" | "connect" | "tool" | "env";
type Input = Record<string, unknown>;

interface Rule {
  file: string;
  line: number;
  key: string;
}

interface Answer {
  id: number | null;
  allowed: boolean;
  reason: string;
  rule: Rule | null;
}

interface Waiting {
  done(answer: Answer): void;
  failed(why: Error): void;
}

/** The policy does not allow it, or weft could not be asked, which means the same. */
export class Denied extends Error {}

/** A connection to `weft check --serve`. Questions may be asked at the same time. */
export class Weft {
  readonly #socket: Socket;
  readonly #waiting = new Map<number, Waiting>();
  #asked = 0;
  #gone = false;

  constructor(path: string) {
    this.#socket = createConnection(path);
    createInterface({ input: this.#socket }).on("line", (line) => this.#take(line));
    const gone = (): void => this.#end(new Denied("weft is gone"));
    this.#socket.on("error", gone).on("close", gone);
  }

  /** What weft says; an answer to no question says that something is wrong. */
  #take(line: string): void {
    const answer = JSON.parse(line) as Answer;
    const waiting = answer.id === null ? undefined : this.#waiting.get(answer.id);
    if (answer.id === null || waiting === undefined) {
      return this.#end(new Denied(answer.reason));
    }
    this.#waiting.delete(answer.id);
    waiting.done(answer);
  }

  #end(why: Error): void {
    this.#gone = true;
    for (const waiting of this.#waiting.values()) waiting.failed(why);
    this.#waiting.clear();
  }

  /** Whether it is allowed, why, and which line of the policy says so. `input` are the arguments of a tool. */
  ask(action: Action, target: string, input?: Input): Promise<Answer> {
    if (this.#gone) return Promise.reject(new Denied("weft is gone"));
    this.#asked += 1;
    const id = this.#asked;
    return new Promise<Answer>((done, failed) => {
      this.#waiting.set(id, { done, failed });
      this.#socket.write(`${JSON.stringify({ id, action, target, input })}\n`);
    });
  }

  /** Returns if it is allowed, and throws `Denied` if not. */
  async require(action: Action, target: string, input?: Input): Promise<void> {
    const { allowed, reason } = await this.ask(action, target, input);
    if (allowed !== true) throw new Denied(reason);
  }

  close(): void {
    this.#socket.end();
  }
}

type Tool = (weft: Weft, input: Record<string, string>) => Promise<string>;

/** Tools that a model may call. Each asks for what it does; whether it may be called at all is asked before. */
const tools: Record<string, Tool> = {
  async read_file(weft, { path }) {
    await weft.require("read", resolve(path));
    return readFile(path, "utf8");
  },
  async write_file(weft, { path, text }) {
    await weft.require("write", resolve(path));
    await writeFile(path, text);
    return `${text.length} characters written`;
  },
};

// What a model might want, one after the other.
const wanted: [string, Record<string, string>][] = [
  ["write_file", { path: "notes.md", text: "hello" }],
  ["read_file", { path: "notes.md" }],
  ["read_file", { path: ".env" }],
  ["read_file", { path: "/etc/shadow" }],
  ["delete_everything", {}],
];

const weft = new Weft(process.argv[2]);
for (const [name, input] of wanted) {
  try {
    await weft.require("tool", name, input);
    console.log(`${name}: ${await tools[name](weft, input)}`);
  } catch (error) {
    if (!(error instanceof Denied)) throw error;
    console.log(`${name} denied: ${error.message}`);
  }
}
weft.close();
