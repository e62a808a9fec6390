/* The form of tracks on the catalogue's page: sections, chords and energy, and the filters over them. A catalogue whose
   tracks all have none shows nothing of it. */

const forms = coded.form?.values ?? []; // [name, bars, name, bars, ...] of each form; empty where a track has none
const formOf = (i) => (coded.form ? of("form", i) : []);
const sectionsOf = (form) => Array.from({ length: form.length / 2 }, (_, n) => ({ name: form[2 * n], numBars: form[2 * n + 1] }));
const withBars = ({ name, numBars }) => `${name}${/\d$/.test(name) ? ":" : ""}${numBars}`;
const formText = (i) => sectionsOf(formOf(i)).map(withBars).join(" ");
const letterOf = (name) => name.split("'")[0];
const ENERGIES = { low: [0, 0.35], middle: [0.35, 0.65], high: [0.65, 1.01] }; // means, the first included

let formTexts = null; // what is searched in each form, made at the first search

/* Names with and without bars, between spaces; then letters without spaces, where all sections are letters. */
function searchedTexts(code) {
  formTexts ??= new Array(forms.length);
  if (formTexts[code]) return formTexts[code];
  const sections = sectionsOf(forms[code]), names = sections.map(({ name }) => name);
  const isLetters = names.every((name) => letterOf(name).length === 1);
  return (formTexts[code] = [` ${names.join(" ")} `, ` ${sections.map(withBars).join(" ")} `, isLetters ? names.join("") : ""].map((text) => text.toLowerCase()));
}
/* Whether a form holds sections that follow each other, such as "A B A", "A8 B8" or "ABA"; by its code. */
function textFilter() {
  const wanted = $("form").value.toLowerCase().replace(/[’′`]/g, "'").trim().split(/\s+/).join(" ");
  const fits = ([names, bars, letters]) => names.includes(` ${wanted} `) || bars.includes(` ${wanted} `) || (wanted.length > 1 && letters.includes(wanted));
  return wanted === "" ? () => true : (code) => fits(searchedTexts(code));
}
function formFilter() {
  const bound = (id, otherwise) => ($(id).value === "" ? otherwise : Number($(id).value));
  const least = Math.max(bound("sections-min", 1), 1), most = bound("sections-max", Infinity), range = ENERGIES[$("energy").value];
  const hasSections = textFilter(), isOfEnergy = (value) => value !== null && value >= range[0] && value < range[1];
  const fits = new Map(); // by the code of a form
  const fitsOnce = (code) => {
    const numSections = forms[code].length / 2;
    return numSections >= least && numSections <= most && hasSections(code);
  };
  const isWanted = (code) => {
    if (!fits.has(code)) fits.set(code, fitsOnce(code));
    return fits.get(code);
  };
  if (!coded.form || ["form", "sections-min", "sections-max", "energy"].every((id) => $(id).value.trim() === "")) return () => true;
  return (i) => (!range || isOfEnergy(plain.energy[i])) && isWanted(coded.form.codes[i]);
}

/* The tempos of a track: the bar, the second and the quarters per minute that each begins with. */
function temposOf(i) {
  const flat = coded.tempos ? of("tempos", i) : [];
  if (!flat.length) return [{ bar: 0, start: 0, bpm: plain.bpm[i] }];
  return Array.from({ length: flat.length / 3 }, (_, n) => ({ bar: flat[3 * n], start: flat[3 * n + 1], bpm: flat[3 * n + 2] }));
}
function tempoText(i) {
  const [low, high] = [Math.min, Math.max].map((most) => +most(...temposOf(i).map(({ bpm }) => bpm)).toFixed(1));
  return low === high ? `${low}` : `${low}–${high}`;
}
function keysText(i) {
  const keys = coded.keys ? of("keys", i) : [];
  return keys.length ? keys.join(" – ") : of("key", i);
}
/* The meters of a track: the bar that each begins with, and its name. */
function metersOf(i) {
  const flat = coded.meters ? of("meters", i) : [];
  if (!flat.length) return [{ bar: 0, meter: of("meter", i) }];
  return Array.from({ length: flat.length / 2 }, (_, n) => ({ bar: flat[2 * n], meter: flat[2 * n + 1] }));
}
function metersText(i) {
  return metersOf(i).map(({ meter }) => meter).join(" – ");
}
/* Seconds of a bar at a tempo of a track. */
function barSeconds(i, { bar, bpm }) {
  const [beats, unit] = metersOf(i).findLast((one) => one.bar <= bar).meter.split("/").map(Number);
  return (240 * beats) / unit / bpm;
}
/* The bar at a time, and the time of a bar; both may lie between bars. */
function barAt(i, s) {
  const tempos = temposOf(i), tempo = tempos.findLast(({ start }) => start <= s) ?? tempos[0];
  return tempo.bar + (s - tempo.start) / barSeconds(i, tempo);
}
function secondsAt(i, bar) {
  const tempos = temposOf(i), tempo = tempos.findLast((one) => one.bar <= bar) ?? tempos[0];
  return tempo.start + (bar - tempo.bar) * barSeconds(i, tempo);
}
function addSections(roll, i) {
  const form = formOf(i);
  if (!form.length) return;
  roll.classList.add("formed");
  const letters = [...new Set(sectionsOf(form).map(({ name }) => letterOf(name)))], shareAt = (bar) => Math.min(secondsAt(i, bar) / plain.duration_s[i], 1);
  let bar = 0;
  const bands = sectionsOf(form).map(({ name, numBars }) => {
    const left = shareAt(bar), right = shareAt(bar + numBars);
    bar += numBars;
    const band = element("i", { className: `band letter-${letters.indexOf(letterOf(name)) % 6}`, textContent: name, title: `${name}: ${numBars} ${numBars === 1 ? "bar" : "bars"}` });
    Object.assign(band.style, { left: `${100 * left}%`, width: `${100 * (right - left)}%` });
    return band;
  });
  roll.insertBefore(element("div", { className: "bands", ariaHidden: "true" }, ...bands), roll.querySelector(".head"));
}

/* The section and the chord at a time of a track, such as "A' · F/A"; "" where it has no form. */
function formAt(i, s) {
  const form = formOf(i);
  if (!form.length) return "";
  const at = Math.max(barAt(i, s), 0) + 1e-4;
  let start = 0, n = 0;
  while (2 * n + 2 < form.length && at >= start + form[2 * n + 1]) { start += form[2 * n + 1]; n += 1; }
  const turns = of("chords", i).split(";"); // of bars, which go round in a section, or the number of a section before
  const turn = (/^\d+$/.test(turns[n]) ? turns[Number(turns[n])] : turns[n]).split(" ");
  const halves = turn[Math.floor(at - start) % turn.length].split(",");
  return `${form[2 * n]} · ${halves[at % 1 < 0.5 ? 0 : halves.length - 1]}`;
}
