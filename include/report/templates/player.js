"use strict";
(() => {
  const audio = document.getElementById("audio");
  const now = document.getElementById("now");
  const words = [...document.querySelectorAll("[data-s]")].map((element) => ({
    element, start: Number(element.dataset.s), end: Number(element.dataset.e),
  })).sort((a, b) => a.start - b.start);
  const turns = [...document.querySelectorAll(".turn")].map((element) => ({
    element, start: Number(element.dataset.from), end: Number(element.dataset.to),
  }));
  const strips = [...document.querySelectorAll(".wave")].map((element) => ({
    element, start: Number(element.dataset.from), end: Number(element.dataset.to), head: null,
  }));
  const findings = [...document.querySelectorAll("#findings [data-t]")].map((one) => Number(one.dataset.t))
    .sort((a, b) => a - b);
  const LEFT = Number(document.body.dataset.left), WIDTH = Number(document.body.dataset.width);

  const jump = (seconds) => {
    audio.currentTime = Math.max(0, seconds);
    draw();
    audio.play().catch(() => {}); // a browser may want a click on the player first
  };

  // the last that begins at or before the time and has not ended
  const at = (list, time) => {
    let low = 0, high = list.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (list[middle].start <= time) low = middle + 1; else high = middle;
    }
    for (let index = low - 1; index >= 0 && index > low - 12; index -= 1) {
      if (time < list[index].end) return list[index];
    }
    return null;
  };

  const lit = { word: null, turn: null };
  const light = (kind, found, follow) => {
    const element = found ? found.element : null;
    if (lit[kind] === element) return;
    if (lit[kind]) { lit[kind].classList.remove("on"); lit[kind].removeAttribute("aria-current"); }
    lit[kind] = element;
    if (!element) return;
    element.classList.add("on");
    element.setAttribute("aria-current", "true");
    if (follow && !audio.paused) element.scrollIntoView({ block: "nearest" });
  };

  const clock = (time) => {
    const whole = Math.floor(time), part = Math.floor((time - whole) * 10);
    const hours = Math.floor(whole / 3600), minutes = Math.floor(whole / 60) % 60;
    const tail = String(whole % 60).padStart(2, "0") + "." + part;
    return (hours ? hours + ":" : "") + String(minutes).padStart(2, "0") + ":" + tail;
  };

  const SVG = "http://www.w3.org/2000/svg";
  for (const strip of strips) {
    const svg = strip.element.querySelector("svg");
    if (!svg) continue;
    strip.head = document.createElementNS(SVG, "line");
    strip.head.setAttribute("class", "head");
    strip.head.setAttribute("y1", "0");
    strip.head.setAttribute("y2", svg.getAttribute("height"));
    svg.append(strip.head);
    svg.addEventListener("click", (event) => {
      const box = svg.getBoundingClientRect();
      const share = ((event.clientX - box.left) / box.width * WIDTH - LEFT) / (WIDTH - LEFT);
      jump(strip.start + Math.min(Math.max(share, 0), 1) * (strip.end - strip.start));
    });
  }

  const draw = () => {
    const time = audio.currentTime;
    now.textContent = clock(time);
    light("word", at(words, time), false);
    light("turn", at(turns, time), true);
    for (const strip of strips) {
      if (!strip.head) continue;
      const inside = time >= strip.start && time <= strip.end;
      strip.head.setAttribute("visibility", inside ? "visible" : "hidden");
      const x = LEFT + (time - strip.start) / (strip.end - strip.start || 1) * (WIDTH - LEFT);
      if (inside) { strip.head.setAttribute("x1", x.toFixed(1)); strip.head.setAttribute("x2", x.toFixed(1)); }
    }
  };
  const loop = () => { draw(); if (!audio.paused) requestAnimationFrame(loop); };
  audio.addEventListener("play", loop);
  for (const name of ["seeked", "pause", "timeupdate", "loadedmetadata"]) audio.addEventListener(name, draw);

  document.addEventListener("click", (event) => {
    const word = event.target.closest("[data-s]");
    const button = event.target.closest("[data-t]");
    if (word) jump(Number(word.dataset.s)); else if (button) jump(Number(button.dataset.t));
  });

  const step = (list, forward) => {
    const time = audio.currentTime;
    const found = forward ? list.find((one) => one > time + 0.05) : list.filter((one) => one < time - 0.5).pop();
    if (found !== undefined) jump(found);
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target === audio) return;
    const key = event.key;
    if (key === " " && !(event.target instanceof HTMLButtonElement)) {
      if (audio.paused) audio.play().catch(() => {}); else audio.pause();
    } else if (key === "n" || key === "p") {
      step(findings, key === "n");
    } else if (key === "ArrowRight" || key === "ArrowLeft") {
      step(words.map((one) => one.start), key === "ArrowRight");
    } else {
      return;
    }
    event.preventDefault();
  });
  document.documentElement.classList.add("ready");
  draw();
})();
