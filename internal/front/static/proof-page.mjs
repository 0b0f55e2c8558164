// The waiting-room page while the browser works for a place: it solves the challenge and sends the solution with the
// page's form. Whatever is in the page's address goes along.
const form = document.getElementById('solve'), bar = document.getElementById('progress');
const { solve } = await import(form.dataset.solver);
// Should each solution be refused, as when the address changes all the time, there is a pause between two tries.
const name = 'penstock_proof';
let tries = 0;
try {
  const [count, at] = (sessionStorage.getItem(name) || '0 0').split(' ').map(Number);
  tries = Date.now() - at < 60000 ? count + 1 : 0;
  sessionStorage.setItem(name, tries + ' ' + Date.now());
} catch { /* not remembered */ }
if (tries > 3) await new Promise((done) => setTimeout(done, Math.min(30000, 1000 * 2 ** (tries - 3))));
form.elements.proof.value = await solve(JSON.parse(form.dataset.challenge), (part) => { bar.value = 100 * part; });
bar.value = 100;
form.submit();
