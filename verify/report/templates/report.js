"use strict";
// Sorting, filtering, copying, folding and the theme. Everything on the page can be read without it, so that all
// controls which need it are made or shown here.
(() => {
  const root = document.documentElement;
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];

  // A file opened from disk may have no storage.
  const remembered = () => { try { return localStorage.getItem("verify-theme"); } catch { return null; } };
  const remember = (theme) => { try { localStorage.setItem("verify-theme", theme); } catch { /* not kept */ } };
  const themes = ["auto", "dark", "light"];
  const setTheme = (theme) => {
    if (theme === "auto") delete root.dataset.theme; else root.dataset.theme = theme;
  };
  const first = remembered();
  let theme = themes.includes(first) ? first : "auto";
  setTheme(theme);

  function themeButton() {
    const button = document.getElementById("theme");
    if (!button) return;
    const show = () => { button.textContent = `Theme: ${theme}`; };
    button.addEventListener("click", () => {
      theme = themes[(themes.indexOf(theme) + 1) % themes.length];
      setTheme(theme);
      remember(theme);
      show();
    });
    show();
  }

  // "1.2×10⁻¹⁴ [..]", "10³", "−3", "3 of 7": the number that a cell begins with, as a log where it has a power of ten.
  const raised = "⁰¹²³⁴⁵⁶⁷⁸⁹";
  const exponent = (text) => Number([...text].map((c) => (c === "⁻" ? "-" : raised.indexOf(c))).join(""));
  function valueOf(cell) {
    const text = (cell.dataset.order ?? cell.textContent).trim().replaceAll("−", "-");
    const powered = /^(?:([\d.]+)×)?10([⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+)/.exec(text);
    if (powered) return [1, Math.log10(Number(powered[1] ?? 1)) + exponent(powered[2])];
    const plain = /^-?\d+(?:\.\d+)?(?:e[+-]?\d+)?/.exec(text);
    if (!plain) return [text === "" || text === "—" ? 2 : 1, text.toLowerCase()];
    return [0, Number(plain[0])];
  }
  // Powers of ten are beside plain numbers in one column: all become logs there.
  function comparable(values) {
    const logs = values.some(([kind, value]) => kind === 1 && typeof value === "number");
    return values.map(([kind, value]) => {
      if (!logs || kind === 2 || typeof value === "string") return [kind, value];
      return [0, kind === 1 ? value : Math.log10(value)];
    });
  }
  function compare(a, b) {
    if (a[0] !== b[0]) return a[0] - b[0];
    return typeof a[1] === "number" ? a[1] - b[1] : a[1].localeCompare(b[1]);
  }
  function sortBy(table, column, descending) {
    for (const body of table.tBodies) {
      const rows = all("tr:not(.group)", body);
      const keys = comparable(rows.map((row) => valueOf(row.cells[column])));
      const order = rows.map((_, index) => index).sort((i, j) => {
        const empty = (keys[i][0] === 2) - (keys[j][0] === 2);
        return empty || (descending ? -1 : 1) * compare(keys[i], keys[j]) || i - j;
      });
      body.append(...order.map((index) => rows[index]));
    }
  }
  function sortable(table) {
    const heads = all("thead th", table);
    heads.forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "sort";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const descending = head.getAttribute("aria-sort") === "ascending";
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", descending ? "descending" : "ascending");
        sortBy(table, column, descending);
      });
    });
  }

  function filters() {
    const bar = document.getElementById("filter");
    if (!bar) return;
    const input = bar.querySelector("input");
    const chips = all("button[data-facet]", bar);
    const said = bar.querySelector("[role=status]");
    const rows = all("#board tbody tr");
    const tiles = new Map(all(".tile").map((tile) => [tile.getAttribute("href"), tile]));
    const texts = rows.map((row) => row.textContent.toLowerCase());
    const apply = () => {
      const words = input.value.toLowerCase().split(/\s+/).filter(Boolean);
      const wanted = new Map();
      for (const chip of chips.filter((each) => each.getAttribute("aria-pressed") === "true")) {
        wanted.set(chip.dataset.facet, [...(wanted.get(chip.dataset.facet) ?? []), chip.dataset.value]);
      }
      let shown = 0;
      rows.forEach((row, index) => {
        const fits = words.every((word) => texts[index].includes(word))
          && [...wanted].every(([facet, values]) => values.includes(row.dataset[facet]));
        row.hidden = !fits;
        tiles.get(row.querySelector("a").getAttribute("href"))?.classList.toggle("dimmed", !fits);
        shown += fits;
      });
      said.textContent = shown === rows.length ? `all ${shown} shown` : `${shown} of ${rows.length} shown`;
    };
    input.addEventListener("input", apply);
    for (const chip of chips) {
      chip.addEventListener("click", () => {
        chip.setAttribute("aria-pressed", String(chip.getAttribute("aria-pressed") !== "true"));
        apply();
      });
    }
    bar.querySelector("button[data-clear]").addEventListener("click", () => {
      input.value = "";
      chips.forEach((chip) => chip.setAttribute("aria-pressed", "false"));
      apply();
      input.focus();
    });
    apply();
  }

  function copying() {
    for (const button of all("button.copy")) {
      const code = button.parentElement.querySelector("code");
      const said = button.querySelector("[aria-live]");
      button.addEventListener("click", async () => {
        const range = document.createRange();
        range.selectNodeContents(code);
        const selection = getSelection();
        selection.removeAllRanges();
        selection.addRange(range);
        let copied = false;
        try {
          await navigator.clipboard.writeText(code.textContent);
          copied = true;
        } catch {
          copied = document.execCommand("copy");
        }
        said.textContent = copied ? "Copied" : "Selected";
        setTimeout(() => { said.textContent = "Copy"; }, 1600);
      });
    }
  }

  // What need not be scrolled is no stop for the tab key; what is folded away is looked at when it is unfolded.
  function stops() {
    for (const each of all("[tabindex]")) {
      if (each.clientWidth) each.tabIndex = each.scrollWidth > each.clientWidth ? 0 : -1;
    }
  }

  function folds() {
    const openTo = (target) => {
      for (let at = target; at; at = at.parentElement) if (at.tagName === "DETAILS") at.open = true;
    };
    const follow = () => {
      const target = document.getElementById(location.hash.slice(1));
      if (!target) return;
      openTo(target);
      target.scrollIntoView();
    };
    addEventListener("hashchange", follow);
    if (location.hash) follow();
    const button = document.getElementById("unfold");
    button?.addEventListener("click", () => {
      const open = button.getAttribute("aria-pressed") !== "true";
      all("details").forEach((each) => { each.open = open; });
      button.setAttribute("aria-pressed", String(open));
    });
    const opened = [];
    addEventListener("beforeprint", () => {
      for (const each of all("details:not([open])")) { each.open = true; opened.push(each); }
    });
    addEventListener("afterprint", () => { opened.splice(0).forEach((each) => { each.open = false; }); });
  }

  document.addEventListener("DOMContentLoaded", () => {
    root.classList.add("js");
    all("[data-needs-script]").forEach((each) => { each.hidden = false; });
    themeButton();
    filters();
    all("table.sortable").forEach(sortable);
    copying();
    folds();
    let pending = false; // unfolding everything tells of each part
    const soon = () => {
      if (!pending) requestAnimationFrame(() => { pending = false; stops(); });
      pending = true;
    };
    soon();
    addEventListener("resize", soon);
    document.addEventListener("toggle", soon, true);
    document.fonts.ready.then(soon);
  });
})();
