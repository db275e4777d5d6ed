// Asks weft before each tool call. Written by `weft hook install`; changes are lost when it runs again.
import { spawnSync } from "node:child_process";

const COMMAND = @COMMAND@;

function decide(event) {
  const message = JSON.stringify({ toolName: event.toolName, params: event.params ?? {} });
  const done = spawnSync(COMMAND[0], COMMAND.slice(1), { input: message, encoding: "utf8", timeout: 10_000 });
  const refuse = (why) => ({ block: true, blockReason: `weft: ${why}` });
  if (done.error || done.status !== 0) {
    return refuse(`no decision, so none to go on: ${done.error?.message ?? done.stderr}`);
  }
  try {
    const answer = JSON.parse(done.stdout);
    return answer.block ? refuse(String(answer.blockReason ?? "refused").replace(/^weft: /, "")) : undefined;
  } catch {
    return refuse("the answer is not JSON");
  }
}

export default {
  id: "weft",
  name: "weft",
  description: "Decides about tool calls by a weft policy.",
  register(api) {
    // Before other plugins, so that none sees what is refused.
    api.on("before_tool_call", async (event) => decide(event), { priority: 1000 });
  },
};
