for (const svg of document.querySelectorAll("svg.surface")) {
  const points = svg.dataset.points.split(" ").map((point) => point.split(",").map(Number));
  const faces = svg.querySelector(".faces");
  const drawn = [...svg.querySelectorAll("[data-at]")].map((element) => [element, element.dataset.at.split(" ")]);
  let azimuth = Number(svg.dataset.azimuth), elevation = Number(svg.dataset.elevation);

  const project = ([x, y, z]) => {
    const right = x * Math.cos(azimuth) - y * Math.sin(azimuth);
    const back = x * Math.sin(azimuth) + y * Math.cos(azimuth);
    const up = z * Math.cos(elevation) + back * Math.sin(elevation);
    return [right, -up, back * Math.cos(elevation) - z * Math.sin(elevation)];
  };
  const place = {
    polygon: (element, seen) => element.setAttribute("points", seen.map(([x, y]) => `${x},${y}`).join(" ")),
    line: (element, [[x1, y1], [x2, y2]]) => set(element, { x1, y1, x2, y2 }),
    circle: (element, [[cx, cy]]) => set(element, { cx, cy }),
    text: (element, [[x, y]]) => set(element, { x, y }),
  };
  const set = (element, values) => Object.entries(values).forEach(([name, value]) => element.setAttribute(name, value));

  const draw = () => {
    const seen = points.map(project);
    const away = new Map();
    for (const [element, at] of drawn) {
      const own = at.map((index) => seen[index]);
      place[element.tagName](element, own);
      away.set(element, own.reduce((sum, point) => sum + point[2], 0));
    }
    faces.append(...[...faces.children].sort((one, other) => away.get(other) - away.get(one)));
  };
  const turn = (right, up) => {
    azimuth += right;
    elevation = Math.max(-Math.PI / 2, Math.min(Math.PI / 2, elevation + up));
    draw();
  };

  let last = null;
  svg.addEventListener("pointerdown", (event) => {
    svg.setPointerCapture(event.pointerId);
    last = event;
  });
  svg.addEventListener("pointermove", (event) => {
    if (!last) return;
    turn((event.clientX - last.clientX) / 120, (event.clientY - last.clientY) / 120);
    last = event;
  });
  for (const end of ["pointerup", "pointercancel"]) svg.addEventListener(end, () => (last = null));
  const arrows = { ArrowLeft: [-0.1, 0], ArrowRight: [0.1, 0], ArrowUp: [0, -0.1], ArrowDown: [0, 0.1] };
  svg.addEventListener("keydown", (event) => {
    if (!(event.key in arrows)) return;
    event.preventDefault();
    turn(...arrows[event.key]);
  });
  svg.setAttribute("tabindex", "0");
  svg.closest("figure").querySelector(".turns").hidden = false;
}
