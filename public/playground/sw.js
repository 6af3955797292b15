/* global addEventListener, caches, fetch, location, self, URL */
/** Keeps the playground's page and its parts in the browser, so that a reload needs no network. The page says what it is made of. */
const cache = () => caches.open('rehydrate-playground');
const kept = async (request) => (await cache()).match(request, { ignoreSearch: true, ignoreVary: true });

/** Keeps these; what an older page was made of goes. */
async function keep(addresses) {
  const parts = await cache();
  for (const { url } of await parts.keys()) if (!addresses.includes(url)) await parts.delete(url);
  await parts.addAll(addresses);
}

addEventListener('install', () => self.skipWaiting());
addEventListener('activate', (event) => event.waitUntil(self.clients.claim()));
addEventListener('message', (event) => event.waitUntil(keep(event.data)));
addEventListener('fetch', (event) => {
  const { request } = event;
  const { origin, pathname } = new URL(request.url);
  if (request.method !== 'GET' || origin !== location.origin || pathname.startsWith('/__rehydrate/')) return;
  // What has a hash in its name never changes. All else is asked for anew, and taken from here when nobody answers.
  const answer = pathname.includes('/_astro/')
    ? kept(request).then((response) => response ?? fetch(request))
    : fetch(request).catch(async (error) => {
        const response = await kept(request);
        if (response) return response;
        throw error;
      });
  event.respondWith(answer);
});
