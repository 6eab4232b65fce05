// What pages do beyond HTML and htmx. Every page reads, and every form works, without it.
"use strict";

for (const button of document.querySelectorAll("[data-copy]")) button.hidden = !navigator.clipboard;

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const source = document.getElementById(button.dataset.copy);
  await navigator.clipboard.writeText(source.value ?? source.textContent);
  button.textContent = "Copied";
});

// What is wrong with a field was said anew while it was typed: whoever listens to the field hears whether it is good.
document.addEventListener("htmx:after:swap", () => {
  for (const problem of document.querySelectorAll(".problem[id$='-problem']")) {
    const field = document.querySelector(`[aria-describedby="${problem.id}"]`);
    if (!field) continue;
    if (problem.textContent.trim()) field.setAttribute("aria-invalid", "true");
    else field.removeAttribute("aria-invalid");
  }
});
