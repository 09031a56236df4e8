// Keeps a page up to date while its build or its log goes on; pages work without.
"use strict";

const on = (source, event, act) => source.addEventListener(event, (e) => act(JSON.parse(e.data)));

// A build's page: ask for it again whenever something changed.
function followPage(main) {
  let source, busy = false, again = false;
  const reload = async () => {
    if (busy) { again = true; return; }
    busy = true;
    try {
      const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
      if (answer.ok) {
        const page = new DOMParser().parseFromString(await answer.text(), "text/html");
        const open = [...main.querySelectorAll("details[open]")].map((d) => d.id);
        const scrolled = [...main.querySelectorAll(".scroll")].map((box) => box.scrollLeft);
        main.replaceChildren(...page.querySelector("main").childNodes);
        open.forEach((id) => document.getElementById(id)?.setAttribute("open", ""));
        main.querySelectorAll(".scroll").forEach((box, i) => { box.scrollLeft = scrolled[i] ?? 0; });
        document.title = page.title;
      }
    } catch { /* the connection is lost: the source reconnects and says so */ }
    busy = false;
    if (again) { again = false; reload(); }
  };
  const start = () => {
    on(source = new EventSource(main.dataset.live), "changed", reload);
    on(source, "done", () => { source.close(); document.removeEventListener("visibilitychange", toggle); });
  };
  // Browsers allow few connections: a page nobody sees needs none.
  const toggle = () => { source.close(); if (!document.hidden) start(); };
  document.addEventListener("visibilitychange", toggle);
  start();
}

// A log: add what is written to it, and stay at its end if the reader is there.
function followLog(log) {
  const source = new EventSource(log.dataset.follow);
  const add = (node) => {
    const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
    log.append(node);
    while (log.childNodes.length > 5000) log.firstChild.remove();
    if (atEnd) log.scrollTop = log.scrollHeight;
  };
  const note = (text) => {
    const line = document.createElement("span");
    line.className = "note";
    line.textContent = text + "\n";
    add(line);
  };
  on(source, "text", add);
  on(source, "attempt", (n) => note(`— attempt ${n} —`));
  on(source, "done", async () => {
    source.close();
    document.querySelector(".live")?.remove();
    const page = new DOMParser().parseFromString(await (await fetch(location.href)).text(), "text/html");
    const now = page.querySelector("[data-task]");
    if (now) document.querySelector("[data-task]")?.replaceWith(now);
  });
}

for (const button of document.querySelectorAll("[data-copy]")) {
  button.hidden = !navigator.clipboard; // there is none over plain HTTP
  button.addEventListener("click", async () => {
    await navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent);
    button.textContent = "Copied";
  });
}
setInterval(() => {
  for (const span of document.querySelectorAll("[data-seconds]")) {
    span.start ??= Date.now() - span.dataset.seconds * 1000; // whatever the browser's clock says
    const s = Math.round((Date.now() - span.start) / 1000), m = Math.floor(s / 60), two = (n) => String(n).padStart(2, "0");
    span.textContent = s < 60 ? `${s} s` : m < 60 ? `${m} min ${two(s % 60)} s` : `${Math.floor(m / 60)} h ${two(m % 60)} min`;
  }
}, 1000);
for (const text of document.querySelectorAll("[data-end]")) text.scrollTop = text.scrollHeight;
const main = document.querySelector("main[data-live]"), log = document.querySelector("[data-follow]");
if (main) followPage(main);
if (log) followLog(log);
