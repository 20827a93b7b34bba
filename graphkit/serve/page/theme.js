// Light or dark, as chosen before; a classic script, so that it runs before the first paint and nothing flashes.
"use strict";

(() => {
  const KEY = "graphkit-theme";
  const root = document.documentElement;
  const system = matchMedia("(prefers-color-scheme: dark)");

  try {
    const chosen = localStorage.getItem(KEY);
    if (chosen === "light" || chosen === "dark") root.dataset.theme = chosen;
  } catch {
    // Where storage is forbidden the choice lasts as long as the page.
  }

  const now = () => root.dataset.theme ?? (system.matches ? "dark" : "light");
  const tell = () => document.dispatchEvent(new CustomEvent("themechange"));

  document.addEventListener("DOMContentLoaded", () => {
    const button = document.getElementById("theme-button");
    const show = () => {
      const other = now() === "dark" ? "light" : "dark";
      button.textContent = other === "dark" ? "Dark" : "Light";
      button.setAttribute("aria-label", `Switch to the ${other} theme`);
    };
    button.addEventListener("click", () => {
      root.dataset.theme = now() === "dark" ? "light" : "dark";
      try {
        localStorage.setItem(KEY, root.dataset.theme);
      } catch {
        // as above
      }
      show();
      tell();
    });
    system.addEventListener("change", () => {
      show();
      tell();
    });
    show();
  });
})();
