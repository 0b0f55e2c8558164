import { settings } from './settings.js';

// credentials returns a request's headers: ticket and pass as a browser or as an app carries them.
export function credentials(visitor, extra = {}) {
  if (!visitor.usesCookies) {
    if (visitor.ticket) extra['Penstock-Ticket'] = visitor.ticket;
    if (visitor.pass) extra['Penstock-Pass'] = visitor.pass;
    return extra;
  }
  const cookies = [];
  if (visitor.ticket) cookies.push(`penstock_ticket_${settings.sale}=${visitor.ticket}`);
  if (visitor.pass) cookies.push(`penstock_pass_${settings.sale}=${visitor.pass}`);
  if (cookies.length > 0) extra.Cookie = cookies.join('; ');
  return extra;
}
