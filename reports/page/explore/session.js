/* Questions to the server: one at a time, and always the last one. */

const RETRY_MS = 1000;

/** Return the answer to a question about a setting; what goes wrong is an error like any other. */
async function question(name, setting) {
  try {
    const response = await fetch(name, {
      method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(setting),
    });
    if (response.headers.get("Content-Type")?.startsWith("application/json")) return await response.json();
    return { error: `the server refuses (${response.status})` };
  } catch {
    return { error: "the server doesn't answer: has `rooftile explore` been ended?" };
  }
}

/** Return what asks about settings; `show` gets each answer that is still wanted. */
function asker(show) {
  let wanted = null;
  let isAsking = false;

  async function ask(setting, moved) {
    wanted = { setting, moved };
    if (isAsking) return;
    isAsking = true;
    let current = null;
    let answer = null;
    while (current !== wanted || answer.more) {
      current = wanted;
      answer = await question("answer", current.setting);
      // What is no longer wanted is shown all the same: while a slider moves, something does.
      show(answer, current);
    }
    isAsking = false;
    if (answer.provisional) wait(current);
  }

  async function wait(asked) {
    while (asked === wanted) {
      const answer = await question("wait", asked.setting);
      if (asked !== wanted) return;
      if (answer.superseded) return void ask(asked.setting, asked.moved);
      if (!answer.pending) return void show(answer, asked);
      await new Promise((resume) => setTimeout(resume, RETRY_MS / 10));
    }
  }

  return ask;
}
