// What is asked again and again while somebody looks? One question at a time, and none while the page is hidden.

/** Do it every so many milliseconds; the function that is given back ends it. */
export function poll(every, deed) {
  let timer = 0;
  let ended = false;
  async function turn() {
    if (!document.hidden) {
      try {
        await deed();
      } catch {
        // The next turn tries again; what was shown stays.
      }
    }
    if (!ended) timer = setTimeout(turn, every);
  }
  timer = setTimeout(turn, every);
  return () => {
    ended = true;
    clearTimeout(timer);
  };
}
