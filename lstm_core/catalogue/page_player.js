/* The player of the catalogue's page. One <audio> plays all but loops: those are decoded whole and repeated by Web
   Audio, sample by sample, because an <audio> that loops may leave a gap. A page opened as a file may not fetch, and
   loops by <audio> after all. What comes before the start of a loop is played once. */

const LOOPS_KEPT = 6; // decoded loops, or layers of one; one minute of stereo is 21 MB
const player = { index: -1, layer: "", isPlaying: false, isLoading: false, message: "" };
let engine = null;
const loopStart = (i) => plain.loop_start_s?.[i] ?? 0; // seconds
const loopNote = (i) => (loopStart(i) ? `loops from ${clock(loopStart(i))}` : "loops");

const audioUrl = (i) => fileUrl(i, player.layer || masterName(i));

const elementEngine = {
  async start(i, at) {
    const audio = $("audio");
    audio.src = audioUrl(i);
    audio.loop = Boolean(plain.loop[i]) && !loopStart(i); // else see onended
    audio.currentTime = at;
    if (player.isPlaying) await audio.play();
  },
  change(i) { return this.start(i, this.time()); },
  resume: () => $("audio").play(),
  pause: () => $("audio").pause(),
  stop() { $("audio").pause(); $("audio").removeAttribute("src"); $("audio").load(); },
  seek(s) { $("audio").currentTime = s; },
  time: () => $("audio").currentTime,
  setVolume(volume) { $("audio").volume = volume; },
};

const loopEngine = {
  contexts: new Map(), // sample rate -> context: a loop that is resampled has no whole number of samples any more
  buffers: new Map(), // url -> decoded audio, the last ones played
  volume: 1,
  offset: 0, // seconds, where it starts or has been halted
  async start(i, at) {
    const sampleRate = of("audio", i)[1];
    if (!this.contexts.has(sampleRate)) this.contexts.set(sampleRate, new AudioContext({ sampleRate }));
    this.context = this.contexts.get(sampleRate);
    this.offset = at;
    this.loopStart = loopStart(i);
    this.buffer = null;
    await this.change(i);
  },
  async change(i) { // what sounds goes on until the other file is there
    const url = audioUrl(i), context = this.context, buffer = this.buffers.get(url) ?? (await this.decode(context, url));
    this.buffers.delete(url);
    this.buffers.set(url, buffer);
    if (this.buffers.size > LOOPS_KEPT) this.buffers.delete(this.buffers.keys().next().value);
    if (player.index !== i || engine !== this || audioUrl(i) !== url) return; // another was chosen meanwhile
    this.offset = this.time();
    this.buffer = buffer;
    if (player.isPlaying) await this.resume();
  },
  async decode(context, url) {
    const response = await fetch(url);
    if (!response.ok) throw new Error(`${response.status} ${response.statusText}`);
    return context.decodeAudioData(await response.arrayBuffer());
  },
  async resume() {
    if (!this.buffer) return;
    this.silence();
    await this.context.resume();
    const gain = new GainNode(this.context, { gain: this.volume });
    this.source = new AudioBufferSourceNode(this.context, {
      buffer: this.buffer, loop: true, ...(this.loopStart && { loopStart: this.loopStart, loopEnd: this.buffer.duration }),
    });
    this.source.gain = gain;
    this.source.connect(gain).connect(this.context.destination);
    this.startedAt = this.context.currentTime - this.offset;
    this.source.start(0, this.offset);
  },
  silence() { this.source?.stop(); this.source?.disconnect(); this.source = null; },
  pause() { this.offset = this.time(); this.silence(); },
  stop() { this.silence(); this.buffer = null; this.offset = 0; },
  seek(s) { this.offset = s; if (this.source) this.resume(); },
  time() {
    if (!this.source) return this.offset;
    const since = this.context.currentTime - this.startedAt, end = this.buffer.duration;
    return since < end ? since : this.loopStart + ((since - end) % (end - this.loopStart));
  },
  setVolume(volume) { this.volume = volume; if (this.source) this.source.gain.gain.value = volume; },
};

const position = () => (engine && player.index >= 0 ? engine.time() : 0);

async function play(i, at = 0) {
  engine?.stop();
  engine = plain.loop[i] && location.protocol !== "file:" ? loopEngine : elementEngine;
  engine.setVolume(Number($("volume").value));
  if (player.index !== i) { player.layer = ""; showLayers(i); }
  Object.assign(player, { index: i, isPlaying: true, isLoading: true, message: "" });
  showState();
  try {
    const [format, , , mime] = of("audio", i);
    if (mime && !$("audio").canPlayType(mime)) throw new Error(`this browser does not play ${format}`);
    await engine.start(i, at);
  } catch (error) {
    if (player.index !== i || error.name === "AbortError") return;
    Object.assign(player, { isPlaying: false, message: `cannot be played: ${error.message}` });
  }
  if (player.index !== i) return;
  player.isLoading = false;
  showState();
}
async function changeLayer(name) {
  player.layer = name;
  try {
    await engine.change(player.index);
  } catch (error) {
    if (player.layer !== name || error.name === "AbortError") return;
    engine.stop();
    Object.assign(player, { isPlaying: false, message: `cannot be played: ${error.message}` });
    showState();
  }
}
async function toggle() {
  if (player.index < 0) return void (shown.length && play(shown[0]));
  if (player.message) return void play(player.index);
  player.isPlaying = !player.isPlaying;
  showState();
  if (player.isPlaying) await engine.resume(); else engine.pause();
}
function seek(i, s) {
  const to = Math.min(Math.max(s, 0), Math.max(plain.duration_s[i] - 0.05, 0));
  if (player.index === i && !player.message) engine.seek(to); else play(i, to);
  showTime();
}
function step(by) {
  const at = shown.indexOf(player.index) + by;
  if (at < 0 || at >= shown.length) return;
  while (at >= numRendered) renderMore();
  play(shown[at]);
  rows.get(shown[at]).scrollIntoView({ block: "nearest" });
}

/* What is seen of it */

let marked = null; // the row that shows as current
let ticking = false;

function showState() {
  const i = player.index, row = rows.get(i), name = plain.name[i];
  if (marked && marked !== row) {
    marked.classList.remove("current");
    for (const head of marked.querySelectorAll(".head")) head.hidden = true;
    showButton(marked.querySelector(".play"), false, marked.querySelector("h3").textContent);
  }
  marked = row ?? null;
  row?.classList.add("current");
  if (row) showButton(row.querySelector(".play"), player.isPlaying, name);
  showButton($("toggle"), player.isPlaying, "");
  $("player").hidden = i < 0;
  $("now-name").textContent = name ?? "";
  $("now-note").textContent = player.message || (player.isLoading ? "loading" : plain.loop[i] ? loopNote(i) : of("style", i));
  showTime();
  if (player.isPlaying && !ticking) requestAnimationFrame(tick);
}
function showLayers(i) {
  const option = (value, textContent) => element("option", { value, textContent });
  $("layer").replaceChildren(option("", "master"), ...layerNames(i).map((name) => option(name, layerLabel(name))));
  $("layer").hidden = layerNames(i).length === 0;
}
function showButton(button, isPlaying, name) {
  button.querySelector("use").setAttribute("href", isPlaying ? "#icon-pause" : "#icon-play");
  button.ariaLabel = `${isPlaying ? "Pause" : "Play"} ${name}`.trim();
}
function showTime() {
  const i = player.index, duration = plain.duration_s[i], row = rows.get(i);
  if (i < 0) return;
  const at = Math.min(position(), duration), share = at / duration, text = `${clock(at)} of ${clock(duration)}`;
  if ($("now-time").textContent !== text.replace(" of ", " / ")) {
    $("now-time").textContent = text.replace(" of ", " / ");
    if (row) Object.assign(row.querySelector(".roll"), { ariaValueNow: at.toFixed(1), ariaValueText: text });
  }
  const place = formAt(i, at);
  if ($("now-form").textContent !== place) $("now-form").textContent = place;
  for (const head of row?.querySelectorAll(".head") ?? []) {
    head.hidden = false;
    const isWhole = head.parentElement.tagName === "FIGURE";
    head.style.left = `${100 * (isWhole ? plot[0] + share * (plot[2] - plot[0]) : share)}%`;
    if (isWhole) Object.assign(head.style, { top: `${100 * plot[1]}%`, bottom: `${100 * (1 - plot[3])}%` });
  }
}
function tick() {
  ticking = player.isPlaying;
  showTime();
  if (ticking) requestAnimationFrame(tick);
}

$("audio").onended = () => {
  if (plain.loop[player.index]) { // after an intro
    elementEngine.seek(loopStart(player.index));
    return void elementEngine.resume();
  }
  player.isPlaying = false;
  showState();
};
$("toggle").onclick = toggle;
$("previous").onclick = () => step(-1);
$("next").onclick = () => step(1);
$("layer").onchange = () => changeLayer($("layer").value);
$("volume").oninput = () => engine?.setVolume(Number($("volume").value));

document.addEventListener("keydown", (event) => {
  const target = event.target, isTyping = target.matches("input, select, textarea");
  if (event.key === "Escape" && target === $("query")) { $("query").value = ""; refresh(); target.blur(); return; }
  if (isTyping || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "/") $("query").focus();
  else if (event.key === " " && !target.matches("button, summary, a")) toggle();
  else if (event.key === "ArrowRight" && player.index >= 0) seek(player.index, position() + 5);
  else if (event.key === "ArrowLeft" && player.index >= 0) seek(player.index, position() - 5);
  else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    const buttons = [...document.querySelectorAll("#list .play")], here = target.closest?.(".track") ?? marked;
    const at = buttons.indexOf(here?.querySelector(".play")) + (event.key === "ArrowDown" ? 1 : -1);
    if (!buttons[Math.max(at, 0)]) return;
    buttons[Math.max(at, 0)].focus();
  } else return;
  event.preventDefault();
});
document.addEventListener("click", (event) => {
  if (!event.target.closest("#instruments")) $("instruments").open = false;
});

/* Failures, and the start. */

const FAILURES_A_CHUNK = 100;
function showFailures() {
  const body = document.querySelector("#failures tbody"), from = body.children.length;
  body.append(...failures.slice(from, from + FAILURES_A_CHUNK).map(({ name, style, num_attempts, reason, gates }) => {
    const broken = gates.map(([gate, , bound, value]) => `${gate.replaceAll("_", " ")} ${value ?? ""} (${bound})`).join("; ");
    return element("tr", {}, ...[name, style, String(num_attempts), [reason, broken].filter(Boolean).join(": ")].map((textContent) => element("td", { textContent })));
  }));
  $("failures").hidden = failures.length === 0;
  $("failures-title").textContent = failures.length === 1 ? "1 row failed" : `${failures.length.toLocaleString("en")} rows failed`;
  $("more-failures").hidden = body.children.length >= failures.length;
}
function summarise() {
  const seconds = plain.duration_s.reduce((sum, s) => sum + s, 0), numLoops = plain.loop.reduce((sum, loop) => sum + loop, 0);
  const time = seconds < 3600 ? `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s` : `${(seconds / 3600).toFixed(1)} h`;
  const parts = [numTracks === 1 ? "1 track" : `${numTracks.toLocaleString("en")} tracks`, time, numLoops === 1 ? "1 loop" : `${numLoops.toLocaleString("en")} loops`];
  $("summary").append(numTracks ? parts.join(" · ") : "No tracks yet");
  if (failures.length) $("summary").append(" · ", element("a", { href: "#failures", className: "broken", textContent: `${failures.length.toLocaleString("en")} failed` }));
}

let waiting = 0;
$("filters").addEventListener("input", () => { clearTimeout(waiting); waiting = setTimeout(refresh, 60); });
$("filters").addEventListener("submit", (event) => event.preventDefault());
$("filters").addEventListener("reset", () => setTimeout(refresh));
document.querySelector("#summary").addEventListener("click", (event) => {
  if (event.target.closest("a")) { event.preventDefault(); $("failures").scrollIntoView({ behavior: "smooth" }); }
});

summarise();
fillChoices();
restore();
refresh();
showFailures();
new IntersectionObserver((entries) => {
  if (!entries.some((entry) => entry.isIntersecting)) return;
  while (numRendered < shown.length && $("more").getBoundingClientRect().top < innerHeight + 800) renderMore();
}, { rootMargin: "800px" }).observe($("more"));
