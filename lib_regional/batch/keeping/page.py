"""The page of a report: one file with its style and its sorting."""

PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Batch</title>
<style>
body { font: 14px/1.4 system-ui, sans-serif; margin: 1rem; background: #f4f4f6; color: #1c1c22 }
header { display: flex; gap: 1rem; align-items: center; flex-wrap: wrap; margin-bottom: 1rem }
main { display: grid; grid-template-columns: repeat(auto-fill, minmax(16rem, 1fr)); gap: 1rem }
article { background: #fff; border-radius: 8px; padding: .6rem; box-shadow: 0 1px 3px #0003; overflow: hidden }
article[hidden] { display: none }
.picture { position: relative; display: inline-block; max-width: 100% }
.picture img { display: block; max-width: 100% }
.picture svg { position: absolute; inset: 0; width: 100%; height: 100% }
.picture polygon { fill: transparent; stroke-width: 2; vector-effect: non-scaling-stroke }
.plain svg { display: none }
h2 { font-size: 1rem; margin: .4rem 0 } p { margin: .3rem 0; overflow-wrap: anywhere } ol { margin: .3rem 0; padding-left: 1.4rem }
li::marker { color: var(--c); font-weight: bold } b { color: #0b6b3a } .error { color: #b00020 } .facts { color: #666; font-size: .85em }
@media (prefers-color-scheme: dark) {
  body { background: #17171b; color: #e8e8ee } article { background: #24242b }
  b { color: #6fdc9d } .facts { color: #aaa } .error { color: #ff8a8a } a { color: #8ab4ff }
}
</style>
<header><strong>Batch</strong> <span>{{head}}</span>
<label>Sort by <select id="sort"><option value="row">row</option><option value="score">score, lowest first</option>
<option value="-score">score, highest first</option><option value="-seconds">time</option><option value="name">name</option>
<option value="status">status</option></select></label>
<label><input type="checkbox" id="outlines" checked> regions</label>
<label>Show <select id="status"><option value="">all</option><option>done</option>
<option>refused</option><option>failed</option></select></label></header>
<main id="cards">
{{cards}}
</main>
<script>
const cards = document.getElementById("cards");
const value = (card, key) => { const text = card.dataset[key]; return text === "" ? Infinity : isNaN(text) ? text : Number(text); };
document.getElementById("sort").onchange = event => {
  const key = event.target.value.replace("-", ""), sign = event.target.value.startsWith("-") ? -1 : 1;
  const missing = card => card.dataset[key] === "";
  const order = (a, b) => value(a, key) < value(b, key) ? -sign : value(a, key) > value(b, key) ? sign : 0;
  [...cards.children].sort((a, b) => missing(a) - missing(b) || order(a, b)).forEach(card => cards.append(card));
};
document.getElementById("outlines").onchange = event => cards.classList.toggle("plain", !event.target.checked);
document.getElementById("status").onchange = event => {
  for (const card of cards.children) card.hidden = event.target.value !== "" && card.dataset.status !== event.target.value;
};
</script></html>
"""
"""``{{head}}`` and ``{{cards}}`` are filled in."""
