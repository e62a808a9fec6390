/* The list of the catalogue's page: data, filters, rows. */

const $ = (id) => document.getElementById(id);
const { plot, plain, coded, failures } = JSON.parse($("data").textContent);
const numTracks = plain.track_id.length;
const of = (column, i) => coded[column].values[coded[column].codes[i]];
const folderOf = (i) => (coded.folder ? of("folder", i) : []); // where the page stands over several catalogues
const fileUrl = (i, name) =>
  [...folderOf(i), "tracks", plain.track_id[i], ...name.split("/")].map(encodeURIComponent).join("/");
const fileNames = (i) => of("files", i);
const masterName = (i) => fileNames(i).find((name) => /^master\./.test(name));
const layerNames = (i) => fileNames(i).filter((name) => /^layer-\d+\./.test(name)); // the softest first
const layerLabel = (name) => name.replace(/\.\w+$/, "").replace("-", " ");
const signed = (value, digits) => value.toFixed(digits).replace("-", "−");
const clock = (s) => `${Math.floor(s / 60)}:${String(Math.floor(s % 60)).padStart(2, "0")}`;

function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}
function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.append(document.createElementNS("http://www.w3.org/2000/svg", "use"));
  svg.firstChild.setAttribute("href", `#icon-${name}`);
  return svg;
}

/* Filters: their state is the form, mirrored in the address so that a selection can be passed on. */

const controls = ["query", "style", "key", "loop", "bpm-min", "bpm-max", "duration-min", "duration-max", "form",
  "sections-min", "sections-max", "energy", "sort"];
const wantedInstruments = () => [...document.querySelectorAll("#instruments input:checked")].map((box) => box.value);
let searchTexts = null; // made at the first search: most visits need none
let shown = []; // indices of the tracks that fit, in the order of the list

function searchText(i) {
  searchTexts ??= new Array(numTracks);
  return (searchTexts[i] ??= [plain.name[i], of("style", i), of("key", i), of("meter", i), ...of("instruments", i),
    plain.track_id[i], ...folderOf(i)].join(" ").toLowerCase());
}
function fitting() {
  const words = $("query").value.toLowerCase().split(/\s+/).filter(Boolean);
  const chosen = (id, column) => $(id).value === "" ? null : coded[column].values.indexOf($(id).value);
  const style = chosen("style", "style"), key = chosen("key", "key"), loop = $("loop").value;
  const bound = (id, otherwise) => ($(id).value === "" ? otherwise : Number($(id).value));
  const [bpmMin, bpmMax] = [bound("bpm-min", -Infinity), bound("bpm-max", Infinity)];
  const [durationMin, durationMax] = [bound("duration-min", -Infinity), bound("duration-max", Infinity)];
  const instruments = wantedInstruments();
  const isPlayed = coded.instruments.values.map((names) => instruments.every((name) => names.includes(name)));
  const hasForm = formFilter();
  const fits = (i) =>
    (style === null || coded.style.codes[i] === style) && (key === null || coded.key.codes[i] === key) &&
    (loop === "" || plain.loop[i] === Number(loop)) && isPlayed[coded.instruments.codes[i]] &&
    plain.bpm[i] >= bpmMin && plain.bpm[i] <= bpmMax &&
    plain.duration_s[i] >= durationMin && plain.duration_s[i] <= durationMax && hasForm(i) &&
    words.every((word) => searchText(i).includes(word));
  return Array.from({ length: numTracks }, (_, i) => i).filter(fits);
}
function sorted(indices) {
  const [, minus, column] = $("sort").value.match(/^(-?)(.*)$/);
  if (!column) return indices; // the data come by name
  if (column in plain) return indices.sort((a, b) => (plain[column][a] - plain[column][b]) * (minus ? -1 : 1) || a - b);
  return indices.sort((a, b) => of(column, a).localeCompare(of(column, b)) || a - b);
}
function refresh() {
  shown = sorted(fitting());
  $("list").replaceChildren();
  rows.clear();
  numRendered = 0;
  renderMore();
  $("count").textContent = shown.length === numTracks ? "" : `${shown.length.toLocaleString("en")} of ${numTracks.toLocaleString("en")}`;
  $("nothing").hidden = shown.length > 0 || numTracks === 0;
  const chosen = wantedInstruments();
  document.querySelector("#instruments summary").textContent = chosen.length ? chosen.join(" + ") : "Instruments";
  const state = new URLSearchParams(controls.filter((id) => $(id).value !== "").map((id) => [id, $(id).value]));
  for (const name of chosen) state.append("instrument", name);
  try { history.replaceState(null, "", state.size ? `#${state}` : "#"); } catch { /* some browsers refuse it for files */ }
}
function fillChoices() {
  for (const part of document.querySelectorAll("#filters .of-form")) part.hidden = !coded.form;
  const counted = (column, each) => {
    const counts = new Map(), numOf = new Array(coded[column].values.length).fill(0);
    for (const code of coded[column].codes) numOf[code] += 1;
    coded[column].values.forEach((value, code) => each(value).forEach((v) => counts.set(v, (counts.get(v) ?? 0) + numOf[code])));
    return [...counts].filter(([value]) => value !== "").sort((a, b) => a[0].localeCompare(b[0]));
  };
  for (const [id, any] of [["style", "Any style"], ["key", "Any key"]]) {
    $(id).append(element("option", { value: "", textContent: any }),
      ...counted(id, (v) => [v]).map(([value, count]) => element("option", { value, textContent: `${value} (${count})` })));
  }
  $("instruments").lastElementChild.append(...counted("instruments", (v) => v).map(([value, count]) =>
    element("label", {}, element("input", { type: "checkbox", value }), `${value} (${count})`)));
}
function restore() {
  const state = new URLSearchParams(location.hash.slice(1));
  for (const id of controls) if (state.has(id)) $(id).value = state.get(id);
  for (const box of document.querySelectorAll("#instruments input")) box.checked = state.getAll("instrument").includes(box.value);
}

/* Rows: a chunk at a time, the next one when the end of the list comes near. */

const ROWS_A_CHUNK = 40;
const rows = new Map(); // index of a track -> its row, if it has been made
let numRendered = 0;

function renderMore() {
  const part = shown.slice(numRendered, numRendered + ROWS_A_CHUNK);
  $("list").append(...part.map(makeRow));
  numRendered += part.length;
  if (player.index >= 0) showState();
}
function makeRow(i) {
  const row = $("row").content.firstElementChild.cloneNode(true);
  const part = (selector) => row.querySelector(selector);
  const name = plain.name[i];
  rows.set(i, row);
  part(".play").ariaLabel = `Play ${name}`;
  part(".play").onclick = () => (player.index === i ? toggle() : play(i));
  part("h3").textContent = part("h3").title = name;
  const sub = [of("style", i), of("instruments", i).join(", ")].filter(Boolean).join(" · ");
  part(".title p").append(...(plain.loop[i] ? [element("span", { className: "badge", title: "Loops without a seam" }, icon("loop"))] : []), sub);
  part(".title p").title = sub;
  fillRoll(part(".roll"), i);
  const duration = plain.duration_s[i], fraction = duration % 1 ? (duration % 1).toFixed(3).replace(/^0|0+$/g, "") : "";
  part(".facts").append(fact("Duration", clock(duration) + fraction, ""), fact("Tempo", tempoText(i), "bpm"),
    fact("Key", keysText(i), ""), fact("Meter", metersText(i), ""),
    fact("Loudness", signed(plain.loudness_lufs[i], 1), "LUFS"), fact("True peak", signed(plain.true_peak_dbtp[i], 1), "dBTP"));
  const gates = of("gates", i), numPassed = gates.filter(([, isPassed]) => isPassed).length;
  part(".gates").textContent = gates.length ? `${numPassed === gates.length ? "✓" : "✗"} ${numPassed}/${gates.length}` : "";
  part(".gates").title = `${numPassed} of ${gates.length} gates passed`;
  part(".gates").classList.toggle("broken", numPassed < gates.length);
  const links = [[masterName(i), of("audio", i)[0].toUpperCase()], ["score.mid", "MIDI"], ["track.json", "JSON"]];
  part(".links").append(...links.filter(([file]) => file === "track.json" || fileNames(i).includes(file)).map(([file, label]) => link(i, file, label)));
  part(".links").ariaLabel = `Files of ${name}`;
  part(".more").ariaLabel = `Details of ${name}`;
  part(".more").onclick = () => toggleSheet(row, i);
  return row;
}
function fact(term, value, unit) {
  return element("div", { title: `${term}: ${value} ${unit}`.trim() }, element("dt", { textContent: term }),
    element("dd", {}, value, unit && element("small", { textContent: ` ${unit}` })));
}
function link(i, file, label) {
  const suffix = file.split("/").pop();
  const target = location.protocol === "file:" ? "_blank" : ""; // there a browser opens instead of storing
  return element("a", { href: fileUrl(i, file), target, download: `${plain.name[i]} ${suffix}`.replace(/[\\/:*?"<>|]+/g, "-"),
    textContent: label, ariaLabel: `Download ${label} of ${plain.name[i]}` });
}
function fillRoll(roll, i) {
  const [left, top, right, bottom] = plot, image = roll.querySelector("img"), percent = (x) => `${100 * x}%`;
  const strip = (share) => `calc((100% - var(--strip)) * ${share})`; // of the height that bands of sections leave
  Object.assign(image.style, { width: percent(1 / (right - left)), left: percent(-left / (right - left)),
    height: strip(1 / (bottom - top)), top: `calc(var(--strip) + ${strip(-top / (bottom - top))})` });
  if (fileNames(i).includes("roll.png")) image.src = fileUrl(i, "roll.png"); else image.remove();
  addSections(roll, i);
  roll.ariaLabel = `Position in ${plain.name[i]}`;
  roll.ariaValueMax = plain.duration_s[i];
  roll.ariaValueNow = 0;
  roll.ariaValueText = `0:00 of ${clock(plain.duration_s[i])}`;
  seekByPointer(roll, i, (share) => share);
  roll.onkeydown = (event) => {
    const at = player.index === i ? position() : 0;
    const to = { ArrowLeft: at - 5, ArrowRight: at + 5, Home: 0, End: plain.duration_s[i] - 1 }[event.key];
    if (event.key === "Enter") play(i, at); else if (to === undefined) return; else seek(i, to);
    event.preventDefault();
    event.stopPropagation();
  };
}
function seekByPointer(area, i, toShare) {
  const go = (event) => {
    const box = area.getBoundingClientRect();
    seek(i, toShare((event.clientX - box.left) / box.width) * plain.duration_s[i]);
  };
  area.onclick = go;
  area.onpointermove = (event) => { if (event.buttons === 1 && event.pointerType === "mouse") go(event); };
}
function toggleSheet(row, i) {
  const isOpen = row.querySelector(".more").ariaExpanded === "true";
  row.querySelector(".more").ariaExpanded = String(!isOpen);
  if (isOpen) return row.querySelector(".sheet").remove();
  const table = (caption, pairs) => element("table", {}, element("caption", { textContent: caption }), ...pairs.map((cells) =>
    element("tr", {}, element("th", { scope: "row" }, cells[0]), ...cells.slice(1).map((cell) => element("td", {}, cell)))));
  const [format, sampleRate, bitDepth] = of("audio", i);
  const stems = fileNames(i).filter((name) => name.startsWith("stems/"));
  const facts = [["Track", plain.track_id[i]], ["Audio", `${format}, ${sampleRate} Hz, ${bitDepth === 32 ? "float" : `${bitDepth} bit`}, ${plain.num_samples[i].toLocaleString("en")} samples`],
    ["Bars", `${plain.num_bars[i]} of ${of("meter", i)}`], ["Seed", plain.seed[i] + (plain.attempt[i] ? `, attempt ${plain.attempt[i] + 1}` : "")], ...of("made_by", i)];
  if (formOf(i).length) facts.splice(3, 0, ["Form", formText(i)], ["Energy", `${plain.energy[i]} of 1 in the mean`]);
  if (loopStart(i)) facts.splice(2, 0, ["Loop", `from sample ${Math.round(loopStart(i) * sampleRate).toLocaleString("en")} on`]);
  if (stems.length) facts.push(["Stems", element("span", {}, ...stems.flatMap((stem) => [link(i, stem, stem.slice(6).replace(/\.\w+$/, "")), " "]))]);
  const layers = layerNames(i);
  if (layers.length) facts.push(["Layers", element("span", {}, ...layers.flatMap((name) => [link(i, name, layerLabel(name)), " "]))]);
  const gates = of("gates", i).map(([name, isPassed, bound], n) => [
    element("span", { className: isPassed ? "" : "broken", textContent: `${isPassed ? "✓" : "✗"} ${name.replaceAll("_", " ")}` }), String(plain.gate_values[i][n] ?? "").replace("-", "−"), bound]);
  const sheet = element("div", { className: "sheet" });
  if (fileNames(i).includes("roll.png")) {
    const figure = element("figure", {}, element("img", { src: fileUrl(i, "roll.png"), alt: `Piano roll of ${plain.name[i]}` }), element("i", { className: "head", hidden: true }));
    seekByPointer(figure, i, (share) => (share - plot[0]) / (plot[2] - plot[0]));
    sheet.append(figure);
  }
  sheet.append(...[table("Gates: measured, and the bound", gates), table("Made from", facts)].map((made) => element("div", { className: "scroll" }, made)));
  row.append(sheet);
  showState();
}
