// Keeps the numbers fresh while somebody looks. Without this file the page is the same, as of when it was loaded.

const EVERY_MS = 5000;

// A part that somebody is reading with the keyboard, or selecting from, is left as it is.
const inUse = (part) => part.contains(document.activeElement) || (!getSelection().isCollapsed && part.contains(getSelection().anchorNode));

async function refresh() {
  if (document.visibilityState !== 'visible') return;
  const response = await fetch('/', { cache: 'no-store', signal: AbortSignal.timeout(EVERY_MS) });
  const fresh = new DOMParser().parseFromString(await response.text(), 'text/html');
  for (const part of document.querySelectorAll('[data-live]')) {
    const news = fresh.getElementById(part.id);
    if (news && !inUse(part) && news.innerHTML !== part.innerHTML) part.replaceWith(document.adoptNode(news));
  }
}

function unreachable() {
  const state = document.getElementById('ready');
  state.dataset.state = 'bad';
  state.textContent = 'does not answer';
}

setInterval(() => refresh().catch(unreachable), EVERY_MS);
