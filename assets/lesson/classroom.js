// A class in the lesson: votes go to the server, the lecturer's scene comes from it. Without a class nothing is asked.
import { voteOf } from "./choices.js";
import { el } from "./draw.js";

const EVERY_MS = 1000,
  KEY = "eiwflow-follow",
  UNSENT = "";

/**
 * Connect a stage to its class; the pack says {teacher, address}. Returns {moved()}, called after every change of the
 * stage, and what the study of scene 11 asks of the server.
 */
export function joinClass(stage) {
  const { teacher, address } = stage.pack.head.class,
    shown = () => stage.pack.head, // a flow that was trained in this tab may take the place of another
    /** A hash: files of many flows have one name. */
    flowHash = () => shown().flow.parameters,
    kept = root(stage);
  let lecturer = "",
    elsewhere = "", // said where the lecturer shows another flow: channels that are chosen here do not count there
    led = false,
    sent = 0, // votes, and those that have no answer yet
    underWay = 0,
    // A lecturer's second tab begins at the class's scene, unless a link names another, and leads once it is moved.
    waits = teacher && !kept.scene && !new URL(location.href).searchParams.has("scene"),
    first = "",
    follows = !teacher && read() !== "no";
  const follow = el("button", { type: "button", className: "follow", onclick: () => set(!follows) });
  const here = el("span", { className: "here" });
  const tally = el("div", { className: "tally", role: "img", hidden: true });
  const clear = el(
    "button",
    {
      type: "button",
      className: "plain",
      hidden: true,
      onclick: () => send("clear", { scene: String(stage.scene.number) }).then(ask),
    },
    "Vote again",
  );
  stage.status.after(...(teacher ? [here] : [follow, here]));
  if (teacher) stage.sentence.after(tally, clear);

  function set(now) {
    follows = now;
    try {
      sessionStorage.setItem(KEY, now ? "yes" : "no");
    } catch {
      /* a browser may allow no storage */
    }
    label();
    if (now) catchUp();
  }
  function label() {
    follow.textContent = follows ? "Following the lecturer" : "Follow the lecturer";
    follow.setAttribute("aria-pressed", String(follows));
    follow.hidden = teacher || !lecturer;
  }
  function catchUp() {
    const to = stage.possible.findIndex((scene) => String(scene.number) === lecturer);
    if (to < 0 || String(stage.scene.number) === lecturer) return;
    led = true;
    stage.goTo(to);
    led = false;
  }
  function lead() {
    const scene = String(stage.scene.number),
      flow = flowHash(),
      name = (shown().note ?? shown().flow.name).slice(0, 200),
      answered = Boolean(stage.scene.answers?.(stage.choice));
    if (kept.scene === scene && kept.flow === flow && kept.answered === answered) return;
    Object.assign(kept, { scene, flow, answered });
    send("scene", { scene, flow, name, answered }).then((answer) => {
      if (answer?.ok) return ask();
      if (kept.scene === scene) kept.scene = UNSENT; // the next second sends it again
    });
  }
  function count(known) {
    here.textContent = `${known.present} here · ${address.replace(/^https?:\/\//, "")}`;
    const { votes: options, ballot, number } = stage.scene,
      votes = known.tally;
    // Another tab may have moved the class on: what was voted here is not known then.
    tally.hidden = clear.hidden = known.scene !== String(number) || (!options && !ballot);
    if (tally.hidden) return;
    stage.tallies[number] = votes;
    const all = Object.entries(votes).reduce(
      (sum, [key, count]) => sum + (voteOf(stage.scene, key) === key ? count : 0),
      0,
    );
    const counted = all === 1 ? "1 vote" : `${all} votes`;
    clear.hidden = !all;
    if (ballot) {
      tally.setAttribute("aria-label", counted);
      tally.replaceChildren(el("b", {}, counted));
      return stage.live?.tally?.(votes);
    }
    tally.setAttribute(
      "aria-label",
      `${counted}: ${options.map(([key, name]) => `${name} ${votes[key] ?? 0}`).join(", ")}`,
    );
    tally.replaceChildren(
      el("b", {}, counted),
      ...options.map(([key, name]) =>
        el(
          "span",
          {},
          `${name} `,
          el("i", { style: `--share:${all ? (votes[key] ?? 0) / all : 0}` }),
          el("b", {}, String(votes[key] ?? 0)),
        ),
      ),
    );
  }
  async function ask() {
    if (document.hidden && !teacher) return;
    const before = sent;
    try {
      const answer = await fetch(`_class/state?flow=${encodeURIComponent(flowHash())}`, { cache: "no-store" });
      if (!answer.ok || !stage.stage.isConnected) return;
      const known = await answer.json();
      if (teacher && !known.tally) {
        here.textContent = "The server was started anew: open the teacher’s link again.";
        return;
      }
      stage.study = known.study;
      stage.answered = known.answered;
      stage.live?.study?.();
      if (waits) {
        waits = false;
        lecturer = known.scene;
        if (lecturer) catchUp();
        else lead();
      }
      if (teacher) {
        if (kept.scene === UNSENT) lead();
        return count(known);
      }
      if (!underWay && sent === before) remember(known.votes);
      const moved = known.scene !== lecturer;
      lecturer = known.scene;
      const other = known.flow && known.flow !== flowHash() ? `The lecturer shows another flow: ${known.name}` : "";
      if (other !== elsewhere) here.textContent = elsewhere = other;
      label();
      if (follows && moved) catchUp();
    } catch {
      /* the network is away; the next second asks again */
    }
  }
  /** Take one's votes as the server has them: after a reload, from another tab, and none after "Vote again". */
  function remember(votes) {
    const scenes = new Set([...Object.keys(votes), ...Object.keys(kept).filter((key) => /^\d+$/.test(key))]);
    for (const scene of scenes) {
      const choice = votes[scene];
      const shown = stage.kept[scene];
      if (choice === kept[scene] ? !choice || shown : !kept[scene] && shown) continue;
      if (choice) kept[scene] = stage.kept[scene] = choice;
      else {
        delete kept[scene];
        delete stage.kept[scene];
      }
      if (String(stage.scene.number) === scene) stage.show();
    }
  }
  /** Vote; once more where the server was started anew and does not know this browser: `ask` brings a new cookie. */
  async function vote(scene, choice, again = true) {
    kept[scene] = choice;
    sent += 1;
    underWay += 1;
    const answer = await send("vote", { scene, choice, flow: flowHash() });
    underWay -= 1;
    if (!answer?.ok && again) return ask().then(() => vote(scene, choice, false));
    if (!answer?.ok) delete kept[scene];
    here.textContent = answer?.ok ? "" : "Your vote was not counted: reload the page, and vote again.";
  }
  /** @returns {Promise<Response | null>} null where the network is away. */
  function send(what, said) {
    return fetch(`_class/${what}`, {
      method: "POST",
      body: JSON.stringify(said),
      headers: { "Content-Type": "application/json" },
    }).catch(() => null);
  }

  /** @returns {Promise<{seed: number, refused?: string}>} the seed of this visitor, or why there is none */
  async function begin(choice, again = true) {
    const answer = await send("begin", { choice });
    if (answer?.ok) return answer.json();
    if (again && answer) return ask().then(() => begin(choice, false));
    return { seed: 0, refused: await refusal(answer) };
  }
  /** Send the lead of a choice to the lecturer's board; resolves as why it does not count, or as nothing. */
  async function sendLead(choice, { lead, light }) {
    const answer = await send("lead", { choice, lead, light });
    return answer?.ok ? "" : refusal(answer);
  }
  const refusal = async (answer) =>
    (await answer?.text()) || "The class’s server does not answer: reload the page, and train again.";

  label();
  ask();
  const timer = setInterval(ask, EVERY_MS);
  stage.cleanup.push(() => clearInterval(timer));
  return {
    begin,
    lead: sendLead,
    /** Let the class try a choice. */
    tryIt: (choice) => send("try", { choice }).then(ask),
    moved() {
      const scene = String(stage.scene.number),
        choice = voteOf(stage.scene, stage.choice);
      if (teacher) {
        first ||= scene;
        waits &&= scene === first;
        return waits ? undefined : lead();
      }
      if (follows && !led && lecturer && scene !== lecturer && scene !== kept.scene) set(false);
      kept.scene = scene;
      if (choice && kept[scene] !== choice) vote(scene, choice);
    },
  };
}

/** What was sent already, kept when the stage is built anew. */
function root(stage) {
  return (stage.root.eiwClass ??= {});
}

function read() {
  try {
    return sessionStorage.getItem(KEY);
  } catch {
    return null;
  }
}
