// Shows that it is the visitor's turn when the push service says so, and brings them to the waiting room.
'use strict';
self.addEventListener('push', (event) => {
  const turn = event.data.json();
  const time = new Date(turn.claim_before).toLocaleTimeString(turn.language || undefined, { numberingSystem: 'latn', hour: '2-digit', minute: '2-digit', second: '2-digit' });
  event.waitUntil(self.registration.showNotification(turn.title, {
    body: turn.name + '\n' + turn.body.replace('{time}', time), lang: turn.language, dir: turn.language === 'ar' ? 'rtl' : 'auto', tag: turn.tag, requireInteraction: true, data: turn.url,
  }));
});
self.addEventListener('notificationclick', (event) => {
  const path = event.notification.data;
  event.notification.close();
  event.waitUntil((async () => {
    const pages = await self.clients.matchAll({ type: 'window', includeUncontrolled: true });
    const open = pages.find((page) => new URL(page.url).pathname === path);
    return open ? open.focus() : self.clients.openWindow(path);
  })());
});
