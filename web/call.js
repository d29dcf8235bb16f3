// The page: buttons, meters and words around one Line.
import { Captions } from "./captions.js";
import { Line, LineError } from "./line.js";
import { Meter } from "./meter.js";
import { FAILED, STATUS, titleOf } from "./words.js";

const KEYS = ["1", "2", "3", "4", "5", "6", "7", "8", "9", "*", "0", "#"];
const BARS = 24;
const CALLING = ["asking", "connecting", "ringing", "talking", "waiting", "reconnecting"];

const at = (id) => document.getElementById(id);
const page = at("call");
const bot = decodeURIComponent(location.pathname.split("/").filter(Boolean).pop() ?? "");
const name = titleOf(bot);
const captions = new Captions(at("captions"));
const theirs = new Meter((level) => at("face").style.setProperty("--level", level.toFixed(3)));
const mine = new Meter(showBars);
let line = null;
let began = 0;
let clock = 0;
let awake = null;

function showBars(level) {
  const lit = Math.round(level * BARS);
  for (const [i, bar] of [...at("bars").children].entries()) bar.classList.toggle("lit", i < lit);
}

function setPhase(phase) {
  page.dataset.phase = phase;
  page.classList.toggle("calling", CALLING.includes(phase));
  at("status").textContent = STATUS[phase];
  if (phase === "talking" && !began) startClock();
}

function startClock() {
  began = Date.now();
  const show = () => {
    const secs = Math.floor((Date.now() - began) / 1000);
    at("clock").textContent = ` · ${Math.floor(secs / 60)}:${String(secs % 60).padStart(2, "0")}`;
  };
  show();
  clock = setInterval(show, 1000);
}

function notice(text) {
  at("notice").textContent = text;
  at("notice").hidden = !text;
}

async function start() {
  if (line) return;
  notice("");
  captions.clear();
  at("clock").textContent = "";
  began = 0;
  line = new Line(bot);
  line.addEventListener("phase", ({ detail }) => setPhase(detail.phase));
  line.addEventListener("track", ({ detail }) => (detail.mine ? mine : theirs).watch(detail.track));
  line.addEventListener("caption", ({ detail }) => captions.show(detail, name));
  line.addEventListener("sound", ({ detail }) => (at("sound").hidden = detail.allowed));
  line.addEventListener("over", ({ detail }) => finish(detail.why));
  at("end").focus();
  stayAwake();
  try {
    await line.open();
  } catch (error) {
    if (!(error instanceof LineError)) console.error(error);
    finish(error instanceof LineError ? error.message : FAILED.line);
  }
}

function finish(why) {
  if (!line) return;
  line = null;
  clearInterval(clock);
  mine.stop();
  theirs.stop();
  awake?.release();
  awake = null;
  setMuted(false);
  showKeypad(false);
  at("sound").hidden = true;
  setPhase(why && !began ? "failed" : "over");
  at("start").lastElementChild.textContent = "Call again";
  notice(why);
  at("start").focus();
}

function setMuted(muted) {
  at("mute").setAttribute("aria-pressed", String(muted));
  page.classList.toggle("muted", muted);
}

function showKeypad(shown) {
  at("keypad").hidden = !shown;
  at("keys").setAttribute("aria-expanded", String(shown));
}

function press(key) {
  line?.press(key);
  navigator.vibrate?.(20);
  const button = at("keypad").querySelector(`[data-key="${key}"]`);
  button.classList.add("pressed");
  setTimeout(() => button.classList.remove("pressed"), 150);
}

function refuse(why) {
  at("start").disabled = true;
  at("note").hidden = true;
  setPhase("failed");
  notice(why);
}

async function stayAwake() {
  try {
    awake = await navigator.wakeLock?.request("screen");
  } catch {
    awake = null; // a saving battery says no: the screen may go dark, the call goes on
  }
}

function build() {
  at("name").textContent = name;
  at("initial").textContent = name.charAt(0);
  document.title = `Call ${name}`;
  at("bars").append(...Array.from({ length: BARS }, () => document.createElement("i")));
  for (const key of KEYS) {
    const button = document.createElement("button");
    button.type = "button";
    button.dataset.key = key;
    button.textContent = key;
    button.setAttribute("aria-label", { "*": "star", "#": "hash" }[key] ?? key);
    button.addEventListener("click", () => press(key));
    at("keypad").append(button);
  }
  at("start").addEventListener("click", start);
  at("end").addEventListener("click", () => line?.hangUp());
  at("sound").addEventListener("click", () => line?.allowSound());
  at("keys").addEventListener("click", () => showKeypad(at("keypad").hidden));
  at("mute").addEventListener("click", async () => {
    if (!line) return;
    await line.setMuted(!line.muted);
    setMuted(line?.muted ?? false);
  });
  document.addEventListener("keydown", (event) => {
    if (KEYS.includes(event.key) && line && !event.ctrlKey && !event.metaKey && !event.altKey) press(event.key);
  });
  if (page.dataset.phase === "unknown") refuse(FAILED.unknown);
  else addEventListener("load", () => window.LivekitClient || refuse(FAILED.library));
}

build();
