// The pages work without this file. It shows times in the browser's zone, helps with the form of a
// sale, and keeps the figures fresh.
"use strict";
(() => {
  const all = (selector, root = document) => Array.from(root.querySelectorAll(selector));
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
  const group = (n) => String(n).replace(/\B(?=(\d{3})+$)/g, "\u202f");

  // Times: the server writes UTC, the reader gets the own zone, and UTC on hovering.
  const showTime = (el) => {
    const at = new Date(el.dateTime);
    if (Number.isNaN(at.getTime())) return;
    el.title = at.toISOString().replace("T", " ").slice(0, 19) + " UTC";
    el.textContent = at.toLocaleString(undefined, {
      day: "numeric", month: "short", year: "numeric", hour: "2-digit", minute: "2-digit", second: at.getUTCSeconds() ? "2-digit" : undefined, timeZoneName: "short",
    });
  };
  all("time[data-local]").forEach(showTime);

  // Countdown to the start.
  const left = (ms) => {
    const s = Math.max(0, Math.round(ms / 1000));
    const two = (n) => String(n).padStart(2, "0");
    const days = Math.floor(s / 86400);
    return (days ? days + " d " : "") + two(Math.floor(s / 3600) % 24) + ":" + two(Math.floor(s / 60) % 60) + ":" + two(s % 60);
  };
  all("[data-countdown]").forEach((el) => {
    const at = Date.parse(el.dataset.countdown);
    const tick = () => { el.textContent = left(at - Date.now()); };
    tick();
    setInterval(tick, 1000);
  });

  // One open confirmation at a time; Escape closes it.
  const confirms = all("details.confirm");
  confirms.forEach((d) => d.addEventListener("toggle", () => {
    if (d.open) confirms.forEach((other) => { if (other !== d) other.open = false; });
  }));
  document.addEventListener("keydown", (e) => {
    if (e.key === "Escape") confirms.forEach((d) => { d.open = false; });
  });

  saleForm(document.querySelector("[data-sale-form]"));
  liveFigures(document.querySelector("[data-live-url]"));

  function saleForm(form) {
    if (!form) return;
    const select = form.elements.zone;
    if (select && zone !== "UTC" && !all("option", select).some((o) => o.value === zone)) {
      select.add(new Option(zone + " (this browser)", zone));
    }
    // The server gives UTC at first; what was typed before comes back with the zone it was typed in.
    if (select && zone !== "UTC" && select.dataset.zone === "" && !form.querySelector("[aria-invalid=true]") && !document.querySelector(".notice.bad")) {
      all("input[type=datetime-local]", form).forEach((input) => {
        if (!input.value) return;
        const at = new Date(input.value + "Z");
        const local = new Date(at.getTime() - at.getTimezoneOffset() * 60000);
        input.value = local.toISOString().slice(0, at.getUTCSeconds() ? 19 : 16);
      });
      select.value = zone;
    }
    const id = form.elements.id, name = form.elements.name;
    if (id && name && id.tagName === "INPUT") {
      let own = id.value !== "";
      id.addEventListener("input", () => { own = id.value !== ""; });
      name.addEventListener("input", () => {
        if (!own) id.value = name.value.normalize("NFKD").replace(/[\u0300-\u036f]/g, "").toLowerCase().replace(/[^a-z0-9]+/g, "-").replace(/^-+|-+$/g, "").slice(0, 64);
      });
    }
    const more = form.querySelector("[data-add-row]"), rows = form.querySelector("[data-rows]");
    if (more && rows && rows.rows.length) {
      more.addEventListener("click", (e) => {
        e.preventDefault();
        const row = rows.rows[rows.rows.length - 1].cloneNode(true);
        all("input", row).forEach((input) => {
          input.value = "";
          input.removeAttribute("aria-invalid");
          input.setAttribute("aria-label", input.getAttribute("aria-label").replace(/\d+$/, rows.rows.length + 1));
        });
        all(".fault", row).forEach((p) => p.remove());
        rows.append(row);
        row.querySelector("input").focus();
      });
    }
  }

  function liveFigures(root) {
    if (!root) return;
    const url = root.dataset.liveUrl, trouble = document.querySelector("[data-live-trouble]"), state = document.querySelector("[data-live-state]");
    let phase = root.dataset.phase;
    const setText = (el, text) => { if (el.textContent !== text) el.textContent = text; };
    const show = (view) => {
      if (trouble) trouble.hidden = true;
      document.body.classList.add("is-live");
      if (state) setText(state, "live");
      // The buttons depend on the phase: load the page anew, unless somebody is about to do something.
      if (phase !== view.phase && !document.querySelector("details.confirm[open]") && !/^(INPUT|TEXTAREA)$/.test(document.activeElement.tagName)) {
        location.replace(location.pathname);
        return;
      }
      phase = view.phase;
      all("[data-live]").forEach((el) => {
        const key = el.dataset.live, value = view[key];
        if (key === "phase") { el.className = "badge phase-" + value; setText(el, view.phase_label); return; }
        if (key === "level") { el.className = "badge level-" + value; setText(el, value); return; }
        if (key === "lag_seconds") { setText(el, Number(value).toFixed(1)); return; }
        if (value !== undefined) setText(el, typeof value === "number" ? group(value) : String(value));
      });
      all("[data-live-value]").forEach((el) => { el.max = view[el.dataset.liveMax]; el.value = view[el.dataset.liveValue]; });
      (view.items || []).forEach(showItem);
      (view.lanes || []).forEach((lane) => {
        const tile = document.querySelector('[data-live-lane="' + CSS.escape(lane.name) + '"]');
        if (tile) all("[data-lane]", tile).forEach((el) => setText(el, group(lane[el.dataset.lane])));
      });
    };
    const showItem = (item) => {
      const li = document.querySelector('[data-live-item="' + CSS.escape(item.sku) + '"]');
      if (!li) return;
      all("[data-part]", li).forEach((el) => {
        const unknown = el.dataset.part === "committed" && !item.committed_known;
        setText(el, unknown ? "not known" : group(item[el.dataset.part]));
      });
      const width = (n) => (item.allocated > 0 ? Math.min(100, (n / item.allocated) * 100) : 0);
      const sold = li.querySelector('[data-bar="sold"]'), held = li.querySelector('[data-bar="held"]');
      sold.setAttribute("width", width(item.sold));
      held.setAttribute("x", width(item.sold));
      held.setAttribute("width", width(item.held));
    };
    const fail = () => {
      document.body.classList.remove("is-live");
      if (trouble) trouble.hidden = false;
      if (state) setText(state, "not live");
    };
    const poll = () => {
      fetch(url + "/figures", { headers: { Accept: "application/json" } })
        .then((answer) => {
          if (answer.status === 401) { location.reload(); return null; }
          return answer.ok ? answer.json() : Promise.reject(new Error(String(answer.status)));
        })
        .then((view) => { if (view) show(view); })
        .catch(fail)
        .finally(() => setTimeout(poll, 2000));
    };
    if (!window.EventSource) { poll(); return; }
    const source = new EventSource(url + "/live");
    source.addEventListener("figures", (e) => show(JSON.parse(e.data)));
    source.addEventListener("trouble", fail);
    source.addEventListener("error", () => {
      fail();
      // Closed means that the server refused, for example as there are too many streams.
      if (source.readyState === EventSource.CLOSED) poll();
    });
    window.addEventListener("pagehide", () => source.close());
  }
})();
