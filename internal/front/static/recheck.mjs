// Checks the fairness report of a sale again: node recheck.mjs report.json [saved.json ...] [ticket=TICKET] [beacon=URL]
// Each saved.json is what you kept of /v1/sales/{sale} while you waited, and TICKET is your cookie, or its number. The beacon is
// asked at URL, such as https://api.drand.sh. Exit code: 0 all of it holds, 1 something is wrong, 2 something was not checked.
import { createHash, createHmac } from 'node:crypto'
import { readFileSync } from 'node:fs'
const words = process.argv.slice(2), option = name => words.find(w => w.startsWith(name + '='))?.slice(name.length + 1)
const [report, ...saved] = words.filter(w => !/^(ticket|beacon)=/.test(w)).map(w => JSON.parse(readFileSync(w, 'utf8')))
const sha256 = hex => createHash('sha256').update(Buffer.from(hex, 'hex')).digest('hex'), same = (a, b) => JSON.stringify(a) === JSON.stringify(b)
const hmac = (key, text) => createHmac('sha256', Buffer.from(key ?? '', 'hex')).update(text).digest()
const found = { ok: 0, WRONG: 0, 'NOT CHECKED': 0 }, say = (what, text) => { found[what]++; console.log(what.padEnd(12), text) }
const check = (holds, text) => say(holds ? 'ok' : 'WRONG', text), cannot = text => say('NOT CHECKED', text)

const { calls, admissions, limits, order, draw, lanes: names = [] } = report // a lane is a line of its own; lane 0 is that of everybody
const { seed, completed_seed: completed, beacon: b, shares = [], count = 0, lanes: counts = [count] } = draw ?? {} // counts of each lane
const keys = counts.map((_, lane) => hmac(completed, 'penstock/draw/v1' + (lane ? ` lane ${lane}` : '')))
function sip(key, message) { // SipHash-2-4 of 8 bytes; the array keeps the lower 64 bits of what is put into it
  const [k0, k1] = [key.readBigUInt64LE(0), key.readBigUInt64LE(8)], v = new BigUint64Array(4)
  v.set([k0 ^ 0x736f6d6570736575n, k1 ^ 0x646f72616e646f6dn, k0 ^ 0x6c7967656e657261n, k1 ^ 0x7465646279746573n])
  const turn = (i, n) => v[i] << n | v[i] >> 64n - n, mix = (i, j, n) => { v[i] += v[j]; v[j] = turn(j, n) ^ v[i] }
  const round = () => { mix(0, 1, 13n); v[0] = turn(0, 32n); mix(2, 3, 16n); mix(0, 3, 21n); mix(2, 1, 17n); v[2] = turn(2, 32n) }
  for (const word of [message, 8n << 56n]) { v[3] ^= word; round(); round(); v[0] ^= word }
  v[2] ^= 0xffn; round(); round(); round(); round(); return v[0] ^ v[1] ^ v[2] ^ v[3]
}
function placeOf(number, lane = 0) { // eight rounds of Feistel, again until the place is one of those drawn; who came later is behind
  if (!completed || !(number <= counts[lane])) return number
  let x = BigInt(number - 1), half = 3n, low = value => value & (1n << half) - 1n
  while (4n ** half < counts[lane]) half++
  do {
    let left = x >> half, right = low(x)
    for (let r = 0n; r < 8n; r++) [left, right] = [right, left ^ low(sip(keys[lane], (r << 32n) + right))]
    x = left << half | right
  } while (x >= counts[lane])
  return Number(x) + 1
}
if (completed) {
  check(sha256(seed) === draw.commitment, `the seed fits the commitment ${draw.commitment}`)
  const lines = ['penstock/draw/v2', `sale ${report.sale}`, `count ${count}`, draw.lanes && `lanes ${counts.join(' ')}`,
    b && `beacon ${b.chain_hash} ${b.round} ${b.signature || 'missing'}`, ...shares.map(s => `share ${s.party} ${s.share || 'missing'}`)]
  const made = hmac(seed, lines.filter(Boolean).join('\n')).toString('hex')
  check(completed === (b || shares.length ? made : seed), `the completed seed follows from its parts and ${counts.join(' + ')} entrants`)
  if (draw.lanes || names.length) check(counts.length === names.length + 1 && counts.reduce((x, y) => x + y) === count, `each lane has its count, ${count} in all`)
  for (const s of shares) s.share ? check(sha256(s.share) === s.commitment, `the share of ${s.party} fits its commitment`) : cannot(`the share of ${s.party} is missing`)
  if (!b?.signature && !shares.some(s => s.share)) cannot('only the seed of the operator entered the draw: you have to trust the operator')
  if (b?.signature) {
    const [genesis, starts, frozen, told] = [b.genesis_at, report.starts_at, draw.frozen_at, draw.count_published_at].map(at => Date.parse(at))
    const period = b.period_seconds * 1e3, margin = b.margin_seconds * 1e3, comes = round => genesis + (round - 1) * period
    const planned = Math.max(0, Math.ceil((starts + margin - genesis) / period)) + 1
    check(frozen <= told && told < comes(b.round), `the count was public at ${draw.count_published_at}, and round ${b.round} of the beacon later`)
    check(b.round === planned || b.round > planned && told >= comes(planned) - margin / 2, `nobody could choose the round: ${planned} was fixed beforehand`)
    const from = option('beacon'), url = `${from ?? 'https://api.drand.sh'}/${b.chain_hash}/public/${b.round}`
    const { signature } = from ? await fetch(url).then(answer => answer.json()).catch(() => ({})) : {}
    signature ? check(signature === b.signature, `the signature is that of ${url}`) : cannot(`is the signature that of ${url}? ${b.signature}`)
  }
} else if (order === 'draw') cannot('the report has no draw')
const fixed = d => [d?.commitment, d?.beacon?.chain_hash, d?.beacon?.public_key, d?.beacon?.planned_round, d?.shares?.map(s => s.commitment)]
for (const { draw: was, lanes = [] } of saved) {
  if (was?.commitment === '') cannot('the draw that you saved had no commitment yet')
  else check(same(fixed(was), fixed(draw)) && same(lanes.map(l => l.name), names), 'the lanes, the commitment and what enters the draw are those that you saved')
  if (was?.count !== undefined) check(was.count === count && same(was.lanes, draw.lanes), `the count is the one that you saved: ${was.lanes ?? was.count}`)
}
if (calls && admissions) {
  const rules = at => limits.filter((l, i) => l.at_ms <= at && !(limits[i + 1]?.at_ms < at)), open = at => rules(at).some(l => l.mode === 'open')
  const inTime = list => list.every(([at], i) => !i || at >= list[i - 1][0]), upTo = ['', ...names].map(() => 0)
  check(inTime(calls) && calls.every(([, place, lane = 0]) => place > upTo[lane] && (upTo[lane] = place)), `${calls.length} calls are in order`)
  check(inTime(admissions) && new Set(admissions.map(a => a.slice(1).join())).size === admissions.length, `${admissions.length} tickets were admitted, each once`)
  let next = 0, first = 0, reached = upTo.map(() => 0)
  const early = admissions.filter(([at, number, lane = 0]) => {
    for (; calls[next]?.[0] <= at; next++) reached[calls[next][2] ?? 0] = calls[next][1]
    return !open(at) && !(placeOf(number, lane) <= reached[lane])
  })
  check(early.length === 0 && report.line.inversions === 0, `${early.length} were admitted before their place was called ${early.slice(0, 9).map(a => a[1])}`)
  const times = admissions.map(a => a[0]).filter(at => !open(at)), rate = at => Math.max(...rules(at).map(l => l.rate_per_minute))
  const inside = times.map((at, i) => { while (at - times[first] > 60000) first++; return i + 1 - first })
  const most = inside.reduce((x, y) => Math.max(x, y), 0), over = inside.filter((n, i) => !(n <= rate(times[i]))).length
  check(over === 0 && most === report.most_in_60_seconds.most, `at most ${most} were admitted in any 60 seconds; the rate was exceeded ${over} times`)
  const own = option('ticket'), raw = own?.length > 20 && Buffer.from(own, 'base64url'), my = raw[0] === 2 ? raw[21] : 0 // the lane
  const n = Number(raw ? raw.readBigUInt64BE(12) : own), mine = placeOf(n, my), call = calls.find(([, place, lane = 0]) => lane === my && place >= mine)
  if (own) console.log(`ticket ${n}${my ? ` of lane ${names[my - 1]}` : ''} had place ${mine}, called ${call ? new Date(call[0]).toISOString() : 'never'}`)
} else cannot('the sale has too many calls or admissions for the file')
for (const c of report.checks) c.verdict === 'broken' ? check(false, c.detail) : c.verdict === 'unknown' && cannot(`the report itself does not know: ${c.detail}`)
console.log(Object.entries(found).map(([what, n]) => `${n} ${what}`).join(', '))
process.exitCode = found.WRONG ? 1 : found['NOT CHECKED'] ? 2 : 0
