// Tells when a page was left: seconds it was seen, how far it was scrolled, and which marked things were clicked:
// data-track="…" names a button or link, data-event="…" an event of its own, with data-code="…" of its fund.
// No cookie is read or written here, and nothing typed is looked at. Pages work the same without it.
(() => {
  const script = document.currentScript;
  const { url, page } = script.dataset;
  if (!url || !page || !navigator.sendBeacon || navigator.globalPrivacyControl || navigator.doNotTrack === "1") return;

  const clicks = [];
  let seenSince = document.visibilityState === "visible" ? performance.now() : null;
  let seen = 0;
  let furthest = 0;

  const scrolled = () => {
    const whole = document.documentElement.scrollHeight;
    const share = whole ? (window.scrollY + window.innerHeight) / whole : 1;
    furthest = Math.max(furthest, Math.min(100, Math.round(100 * share)));
  };
  const secondsSeen = () => Math.min(86400, Math.round((seen + (seenSince === null ? 0 : performance.now() - seenSince)) / 1000));

  function send() {
    scrolled();
    const now = performance.now();
    const events = clicks.splice(0).map(({ at, ...told }) => ({ ...told, ago: Math.round((now - at) / 1000) }));
    events.push({ name: "page_left", ago: 0, seconds: secondsSeen(), scroll: furthest });
    navigator.sendBeacon(url, JSON.stringify({ page, events }));
  }

  let isSent = false;
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "visible") {
      seenSince = performance.now();
    } else if (seenSince !== null) {
      seen += performance.now() - seenSince;
      seenSince = null;
    }
  });
  // Once a page: hiding it is not leaving it, but on a telephone it may be the last that is heard of it.
  window.addEventListener("pagehide", () => { if (!isSent) { isSent = true; send(); } });
  window.addEventListener("pageshow", (event) => { if (event.persisted) { isSent = false; seen = 0; seenSince = performance.now(); } });
  window.addEventListener("scroll", scrolled, { passive: true });
  document.addEventListener("click", (event) => {
    const marked = event.target instanceof Element ? event.target.closest("[data-track], [data-event]") : null;
    if (!marked || clicks.length >= 19) return;
    const { event: name = "click", track: label, code } = marked.dataset;
    clicks.push({ at: performance.now(), name, label, code });
  });
})();
