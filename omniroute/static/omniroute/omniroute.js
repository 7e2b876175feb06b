// What our pages do in the browser: copy, filter, local times, live notices. No library, no inline script.
"use strict";

const language = () => document.documentElement.lang || "en";

// The secure clipboard exists on https and localhost only; elsewhere a hidden field and the old command serve.
async function copy(text) {
  if (navigator.clipboard && window.isSecureContext) {
    return navigator.clipboard.writeText(text);
  }
  const field = document.createElement("textarea");
  field.value = text;
  field.className = "o-offscreen";
  document.body.append(field);
  field.select();
  document.execCommand("copy");
  field.remove();
}

function confirmCopied(button) {
  const label = button.querySelector("[data-copy-label]");
  if (!label || button.dataset.copied === undefined) return;
  const before = label.textContent;
  label.textContent = button.dataset.copied;
  window.setTimeout(() => { label.textContent = before; }, 1600);
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (button) {
    const source = document.getElementById(button.dataset.copy);
    await copy(source.value ?? source.textContent);
    confirmCopied(button);
    return;
  }
  if (event.target.closest("[data-reload]")) {
    window.location.reload();
  }
  for (const menu of document.querySelectorAll("details.o-menu[open]")) {
    if (!menu.contains(event.target)) menu.open = false;
  }
});

// Rows of a form that can be moved: without this script the same buttons ask the server.
function move(button) {
  const list = button.closest("[data-rows]").querySelector("[data-rows-list]");
  const row = button.closest("[data-row]");
  if (button.dataset.move === "add") {
    const model = list.querySelector("[data-row]");
    if (!model) return false;
    const fresh = model.cloneNode(true);
    for (const field of fresh.querySelectorAll("input")) {
      field.value = field.type === "number" ? "1" : "";
      field.removeAttribute("aria-invalid");
    }
    for (const error of fresh.querySelectorAll(".o-errors")) error.remove();
    list.append(fresh);
    fresh.querySelector("input").focus();
    return true;
  }
  if (button.dataset.move === "remove") {
    if (list.querySelectorAll("[data-row]").length > 1) row.remove();
    else for (const field of row.querySelectorAll("input")) field.value = field.type === "number" ? "1" : "";
    return true;
  }
  const other = button.dataset.move === "up" ? row.previousElementSibling : row.nextElementSibling;
  if (other) button.dataset.move === "up" ? other.before(row) : other.after(row);
  button.focus();
  return true;
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-move]");
  if (button && move(button)) event.preventDefault();
});

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") {
    for (const menu of document.querySelectorAll("details.o-menu[open]")) menu.open = false;
  }
});

document.addEventListener("input", (event) => {
  const list = event.target.dataset.filters && document.getElementById(event.target.dataset.filters);
  if (!list) return;
  const wanted = event.target.value.trim().toLowerCase();
  for (const card of list.querySelectorAll("[data-words]")) {
    card.hidden = !card.dataset.words.toLowerCase().includes(wanted);
  }
  for (const section of list.querySelectorAll("[data-section]")) {
    section.hidden = !section.querySelector("[data-words]:not([hidden])");
  }
});

// A box that ticks all of a name that are shown; a button that says what it does with those ticked.
document.addEventListener("change", (event) => {
  const name = event.target.dataset.checks;
  if (name) {
    for (const box of event.target.form.querySelectorAll(`input[name="${name}"]`)) {
      if (!box.closest("[hidden]")) box.checked = event.target.checked;
    }
  }
  const button = event.target.form?.querySelector("button[data-some]");
  if (button) {
    const some = new FormData(event.target.form).has(event.target.name);
    button.textContent = some ? button.dataset.some : button.dataset.none;
  }
});

// Times come from the server in UTC; people read them in their own zone.
function localTimes() {
  for (const element of document.querySelectorAll("time[datetime]")) {
    const moment = new Date(element.dateTime);
    if (Number.isNaN(moment.valueOf())) continue;
    const style = element.dataset.seconds === undefined ? "short" : "medium";
    element.title = `${element.textContent.trim()} UTC`;
    element.textContent = new Intl.DateTimeFormat(language(), { dateStyle: "medium", timeStyle: style }).format(moment);
  }
}

// A moment to come, as the time until then: the server wrote it in words, here it goes on.
function countdowns() {
  const parts = [["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]];
  const list = new Intl.ListFormat(language(), { style: "narrow", type: "unit" });
  for (const element of document.querySelectorAll("[data-until]")) {
    let left = Math.max(0, Math.round((new Date(element.dataset.until) - Date.now()) / 1000));
    const first = parts.findIndex(([, size]) => left >= size);
    const shown = parts.slice(first < 0 ? 3 : first, (first < 0 ? 3 : first) + 2).map(([unit, size]) => {
      const count = Math.floor(left / size);
      left -= count * size;
      return new Intl.NumberFormat(language(), { style: "unit", unit, unitDisplay: "narrow" }).format(count);
    });
    element.textContent = list.format(shown);
  }
}

// The theme draws every canvas.chart at "load" from data-value; the labels become local times before that.
function localChartLabels() {
  for (const canvas of document.querySelectorAll("canvas[data-hours]")) {
    const chart = JSON.parse(canvas.dataset.value);
    const byDay = Number(canvas.dataset.hours) > 48; // the buckets are UTC days then
    const format = byDay
      ? { month: "short", day: "numeric", timeZone: "UTC" }
      : { hour: "2-digit", minute: "2-digit" };
    chart.labels = chart.labels.map((moment) => new Intl.DateTimeFormat(language(), format).format(new Date(moment)));
    canvas.dataset.value = JSON.stringify(chart);
  }
}

// A page marked data-live counts what the socket announces and offers to show it.
function live() {
  const place = document.querySelector("[data-live]");
  if (!place) return;
  const [on, news, label] = ["on", "news", "label"].map((name) => place.querySelector(`[data-live-${name}]`));
  const scheme = window.location.protocol === "https:" ? "wss" : "ws";
  let seen = 0;
  let pause = 1000;
  const connect = () => {
    const socket = new WebSocket(`${scheme}://${window.location.host}${place.dataset.live}`);
    socket.addEventListener("open", () => {
      pause = 1000;
      on.hidden = false;
    });
    socket.addEventListener("message", (event) => {
      const message = JSON.parse(event.data);
      if (message.type !== "request") return;
      seen += message.count ?? 1;
      label.textContent = `${place.dataset.label} (${new Intl.NumberFormat(language()).format(seen)})`;
      news.hidden = false;
    });
    socket.addEventListener("close", () => {
      on.hidden = true;
      window.setTimeout(connect, pause);
      pause = Math.min(pause * 2, 60000);
    });
  };
  connect();
}

// A login that was begun: ask whether the vendor has agreed, until it has or has not.
function login() {
  const place = document.querySelector("[data-login]:not([data-login-off])");
  if (!place) return;
  const says = place.querySelector("[data-login-says]");
  const waiting = says.textContent;
  const token = place.querySelector("[name=csrfmiddlewaretoken]").value;
  const ask = async () => {
    let found = null;
    try {
      const reply = await fetch(place.dataset.login, { method: "POST", headers: { "X-CSRFToken": token } });
      found = await reply.json();
      says.textContent = waiting;
    } catch {
      says.textContent = says.dataset.loginAway;
    }
    if (found?.status === "done") window.location.assign(place.dataset.loginDone);
    else if (found?.status === "failed") window.location.reload();
    else window.setTimeout(ask, 2000);
  };
  window.setTimeout(ask, 1000);
}

document.addEventListener("DOMContentLoaded", () => {
  login();
  localTimes();
  localChartLabels();
  if (document.querySelector("[data-until]")) {
    countdowns();
    window.setInterval(countdowns, 1000);
  }
  live();
});
