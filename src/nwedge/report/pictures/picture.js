const choices = JSON.parse(document.getElementById("data").textContent);
const drawn = document.getElementById("drawn");
const told = document.getElementById("told");
const list = document.getElementById("choice");
const buttons = (name) => [...document.querySelectorAll(`button[data-${name}]`)];
const config = { responsive: true, displaylogo: false, displayModeBar: false };
let number = 0, way = Object.keys(choices[0].figures)[0], scale = choices[0].start;

const draw = () => {
  const choice = choices[number], figure = choice.figures[way];
  if (!(scale in figure)) scale = choice.start;
  told.textContent = choice.told[scale];
  for (const button of buttons("way")) button.setAttribute("aria-pressed", button.dataset.way === way);
  for (const button of buttons("scale")) {
    button.setAttribute("aria-pressed", button.dataset.scale === scale);
    button.disabled = !(button.dataset.scale in figure);
  }
  for (const button of buttons("turn")) button.disabled = way !== "surface";
  const { data, layout } = structuredClone(figure[scale]);
  if (layout.scene) {
    const away = Math.max(1, 560 / drawn.clientWidth), { eye } = layout.scene.camera;
    for (const axis of Object.keys(eye)) eye[axis] *= away;
  }
  return Plotly.react(drawn, data, layout, config);
};
const turn = (degrees) => {
  const { eye } = drawn._fullLayout.scene.camera;
  const angle = (degrees * Math.PI) / 180;
  const x = eye.x * Math.cos(angle) - eye.y * Math.sin(angle), y = eye.x * Math.sin(angle) + eye.y * Math.cos(angle);
  Plotly.relayout(drawn, { "scene.camera.eye": { x, y, z: eye.z } });
};

for (const button of buttons("way")) button.addEventListener("click", () => { way = button.dataset.way; draw(); });
for (const button of buttons("scale")) button.addEventListener("click", () => { scale = button.dataset.scale; draw(); });
for (const button of buttons("turn")) button.addEventListener("click", () => turn(Number(button.dataset.turn)));
list?.addEventListener("change", () => { number = Number(list.value); scale = choices[number].start; draw(); });
document.getElementById("interactive").hidden = false;
draw();
