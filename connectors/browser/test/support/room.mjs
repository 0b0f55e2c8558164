// The waiting-room page in its states, for tests and pictures: by the previews that the admin API gives out.

const logo = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 168 40"><path d="M4 36V4h8v12h12V4h8v32h-8V24H12v12z" fill="#b4532a"/>
<path d="M48 8h112M48 20h84M48 32h56" stroke="#b4532a" stroke-width="5" stroke-linecap="round"/></svg>`;
const picture = (hue) => `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 200 200"><rect width="200" height="200" fill="hsl(${hue} 30% 82%)"/>
<path d="M40 130c30-60 90-60 120 0z" fill="hsl(${hue} 40% 42%)"/></svg>`;

/** What a shop might choose: its colours, its logo, its links. */
export const theme = {
  logo_url: 'https://cdn.halden.example/logo.svg',
  colours: {
    light: { background: '#f6f1ea', surface: '#fffdf9', text: '#231a14', muted: '#66574c', accent: '#9a3f1a', on_accent: '#ffffff' },
    dark: { background: '#17110d', surface: '#211914', text: '#f3e9df', muted: '#b9a899', accent: '#f0a07a', on_accent: '#2b1206' },
  },
  links: {
    waitlist: 'https://www.halden.example/waitlist', terms: 'https://www.halden.example/terms',
    privacy: 'https://www.halden.example/privacy', support: 'https://www.halden.example/help',
    other_items: [
      { name: 'Cork clog', url: 'https://www.halden.example/clog', image: 'https://cdn.halden.example/20.svg' },
      { name: 'Felt slipper', url: 'https://www.halden.example/slipper', image: 'https://cdn.halden.example/150.svg' },
    ],
  },
  show_stock: 'numbers',
};

/** Answers for the shop's image host, which does not exist. */
export async function serveImages(context) {
  await context.route('https://cdn.halden.example/**', (route) => {
    const name = new URL(route.request().url()).pathname.slice(1, -4);
    return route.fulfill({ contentType: 'image/svg+xml', body: name === 'logo' ? logo : picture(Number(name)) });
  });
}

/** Settings with which visitors can ask to be told of their turn, by the browser and by e-mail. */
export const tellingSettings = (front) => ({ PENSTOCK_PUSH_CONTACT: 'mailto:ops@halden.example', PENSTOCK_PUSH_HOSTS: 'push.halden.example', PENSTOCK_PUBLIC_URL: front });
export const telling = { web_push: true, webhook_url: 'https://hooks.halden.example/turn' };

/** Opens a sale whose visitors are early for an hour. */
export async function openQueue(server, id, members = {}) {
  const [opens_at, starts_at, ends_at] = [-60_000, 3_600_000, 7_200_000].map((ms) => new Date(Date.now() + ms));
  await server.openSale(id, { name: 'Spring drop', opens_at, starts_at, ends_at, ...members });
}

/** Opens two sales, one plain and one with a theme, whose previews can be asked for. */
export async function openRooms(server) {
  const soon = { starts_at: new Date(Date.now() + 3_600_000), opens_at: new Date(Date.now() + 1_800_000), ends_at: new Date(Date.now() + 7_200_000) };
  const items = [{ sku: 'CLOG', name: 'Halden clog, cork', stock: 400 }, { sku: 'CLOG-B', name: 'Halden clog, black', stock: 100 }];
  const admission = { renewal: { by: '5m', max: 2 } }; // who is admitted is offered to stay longer
  await server.openSale('plain', { name: 'Spring drop', items, admission, ...soon });
  await server.openSale('themed', { name: 'Halden spring drop', items, admission, ...soon, page: theme, notify: telling });
}

/** The preview of each state of a sale, by its name. */
export async function previews(server, sale, language, scheme = '') {
  const answer = await server.admin('GET', `/sales/${sale}/previews?language=${language}${scheme && '&scheme=' + scheme}`);
  return answer.previews.map(({ state, url }) => ({ state, url: server.front + url.slice(url.indexOf('/sales/')) }));
}
