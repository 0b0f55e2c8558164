// The opt-in to a notification of the browser; it is loaded by the page that offers it, and by no other.
(() => {
  'use strict';
  const box = document.getElementById('push'), button = document.getElementById('push-on'), off = document.getElementById('off');
  const state = document.getElementById('push-state'), room = document.getElementById('room').dataset;
  const words = JSON.parse(box.dataset.words);
  const say = (what) => { state.textContent = words['notify.' + what]; };
  if (box.dataset.on) return;
  if (!('serviceWorker' in navigator) || !('PushManager' in window) || !('Notification' in window)) { say('push_none'); return; }
  if (Notification.permission === 'denied') { say('push_blocked'); return; }
  button.hidden = false;

  // A subscription needs a worker that is active. The worker's scope has no page: it takes nothing over.
  async function activeWorker() {
    const worker = await navigator.serviceWorker.register(box.dataset.worker);
    const coming = worker.installing || worker.waiting;
    if (!worker.active) {
      await new Promise((done, fail) => coming.addEventListener('statechange', () => {
        if (coming.state === 'activated') done();
        if (coming.state === 'redundant') fail(new Error(coming.state));
      }));
    }
    return worker;
  }

  const base64url = (buffer) => btoa(String.fromCharCode(...new Uint8Array(buffer))).replace(/\+/g, '-').replace(/\//g, '_').replace(/=+$/, '');
  const subscribe = (push) => push.subscribe({ userVisibleOnly: true, applicationServerKey: box.dataset.key });

  async function send(subscription) {
    const { endpoint, keys } = subscription.toJSON();
    const headers = { 'Content-Type': 'application/json' };
    if (room.ticket) headers['Penstock-Ticket'] = room.ticket;
    return fetch('/v1/sales/' + encodeURIComponent(room.sale) + '/ticket/notifications', {
      method: 'POST', headers, body: JSON.stringify({
        push: { endpoint, keys, application_server_key: base64url(subscription.options.applicationServerKey) }, language: document.documentElement.lang,
      }),
    });
  }

  // One subscription serves all sales of this site. Another one takes its place only when the site no longer knows the
  // key that it was made for.
  async function ask() {
    const { pushManager } = await activeWorker();
    const kept = await pushManager.getSubscription();
    let answer = await send(kept || await subscribe(pushManager));
    if (answer.status === 400 && kept) {
      await kept.unsubscribe();
      answer = await send(await subscribe(pushManager));
    }
    return answer;
  }

  button.addEventListener('click', async () => {
    button.disabled = true;
    say('push_asking');
    try {
      const permission = await Notification.requestPermission();
      if (permission !== 'granted') {
        say(permission === 'denied' ? 'push_blocked' : 'failed');
        button.hidden = permission === 'denied';
        return;
      }
      const answer = await ask();
      if (answer.ok) {
        off.hidden = false;
        off.querySelector('button').focus();
        button.hidden = true;
        say('push_on');
      } else {
        const { code } = await answer.json();
        say(code === 'notifications_full' ? 'full' : 'failed');
      }
    } catch {
      say('failed');
    } finally {
      button.disabled = false;
    }
  });
})();
