// Checks the fairness report of a sale again: node recheck.mjs report.json [saved.json ...] [ticket=TICKET] [beacon=URL]
// Each saved.json is what you kept of /v1/sales/{sale} while you waited, and TICKET is your cookie, or its number. The beacon is
// asked at URL, such as https://api.drand.sh. Exit code: 0 all of it holds, 1 something is wrong, 2 something was not checked.
import { createHash, createHmac } from 'node:crypto'
import { readFileSync } from 'node:fs'
const words = process.argv.slice(2), option = name => words.find(w => w.startsWith(name + '='))?.slice(name.length + 1)
const [report, ...saved] = words.filter(w => !/^(ticket|beacon)=/.test(w)).map(w => JSON.parse(readFileSync(w, 'utf8')))
const sha256 = hex => createHash('sha256').update(Buffer.from(hex, 'hex')).digest('hex'), ms = Date.parse
const hmac = (key, text) => createHmac('sha256', Buffer.from(key ?? '', 'hex')).update(text).digest()
const found = { ok: 0, WRONG: 0, 'NOT CHECKED': 0 }, say = (what, text) => { found[what]++; console.log(what.padEnd(12), text) }
const check = (holds, text) => say(holds ? 'ok' : 'WRONG', text), cannot = text => say('NOT CHECKED', text)

const draw = report.draw ?? {}, { seed, completed_seed: completed, beacon: b, shares = [], count = 0 } = draw
const key = hmac(completed, 'penstock/draw/v1'), k0 = key.readBigUInt64LE(0), k1 = key.readBigUInt64LE(8)
const u64 = x => BigInt.asUintN(64, x), rotl = (x, n) => u64(x << n) | x >> 64n - n
function sip(message) { // SipHash-2-4 of 8 bytes
  let [v0, v1, v2, v3] = [k0 ^ 0x736f6d6570736575n, k1 ^ 0x646f72616e646f6dn, k0 ^ 0x6c7967656e657261n, k1 ^ 0x7465646279746573n]
  const round = () => {
    v0 = u64(v0 + v1); v1 = rotl(v1, 13n) ^ v0; v0 = rotl(v0, 32n); v2 = u64(v2 + v3); v3 = rotl(v3, 16n) ^ v2
    v0 = u64(v0 + v3); v3 = rotl(v3, 21n) ^ v0; v2 = u64(v2 + v1); v1 = rotl(v1, 17n) ^ v2; v2 = rotl(v2, 32n)
  }
  for (const word of [message, 8n << 56n]) { v3 ^= word; round(); round(); v0 ^= word }
  v2 ^= 0xffn; round(); round(); round(); round()
  return v0 ^ v1 ^ v2 ^ v3
}
let half = 3n
while (4n ** half < BigInt(count)) half++
function placeOf(number, lane = 0) { // eight rounds of Feistel, again until the place is one of those drawn
  if (!completed || number > count || lane) return number
  let x = BigInt(number - 1)
  do {
    let left = x >> half, right = BigInt.asUintN(Number(half), x)
    for (let r = 0n; r < 8n; r++) [left, right] = [right, left ^ BigInt.asUintN(Number(half), sip((r << 32n) + right))]
    x = left << half | right
  } while (x >= BigInt(count))
  return Number(x) + 1
}
if (completed) {
  check(sha256(seed) === draw.commitment, `the seed fits the commitment ${draw.commitment}`)
  const parts = shares.map(s => `share ${s.party} ${s.share || 'missing'}`)
  if (b) parts.unshift(`beacon ${b.chain_hash} ${b.round} ${b.signature || 'missing'}`)
  const made = parts.length ? hmac(seed, ['penstock/draw/v2', `sale ${report.sale}`, `count ${count}`, ...parts].join('\n')).toString('hex') : seed
  check(made === completed, `the completed seed follows from its parts and ${count} entrants`)
  for (const s of shares) s.share ? check(sha256(s.share) === s.commitment, `the share of ${s.party} fits its commitment`) : cannot(`the share of ${s.party} is missing`)
  if (!b?.signature && !shares.some(s => s.share)) cannot('only the seed of the operator entered the draw: you have to trust the operator')
  if (b?.signature) {
    const period = b.period_seconds * 1e3, margin = b.margin_seconds * 1e3, at = round => ms(b.genesis_at) + (round - 1) * period, told = ms(draw.count_published_at)
    const planned = Math.max(0, Math.ceil((ms(report.starts_at) + margin - ms(b.genesis_at)) / period)) + 1, url = `${option('beacon') ?? 'https://api.drand.sh'}/${b.chain_hash}/public/${b.round}`
    check(ms(draw.frozen_at) <= told && told < at(b.round), `the count was public at ${draw.count_published_at}, and round ${b.round} of the beacon later`)
    check(b.round === planned || b.round > planned && told >= at(planned) - margin / 2, `nobody could choose the round: ${planned} was fixed beforehand`)
    const { signature } = option('beacon') ? await fetch(url).then(answer => answer.json()).catch(() => ({})) : {}
    signature ? check(signature === b.signature, `the signature is that of ${url}`) : cannot(`is the signature that of ${url}? ${b.signature}`)
  }
} else if (report.order === 'draw') cannot('the report has no draw')
const told = d => JSON.stringify([d.commitment, d.beacon?.chain_hash, d.beacon?.public_key, d.beacon?.planned_round, d.shares?.map(s => s.commitment)])
for (const { draw: was } of saved) if (was) check(told(was) === told(draw) && (was.count ?? count) === count, `the draw is the one that you saved, with ${was.count ?? 'no count yet'}`)

const { calls, admissions, limits } = report, lines = {} // by the lane
for (const call of calls ?? []) (lines[call[2] ?? 0] ??= []).push(call)
function reached(number, lane = 0) { // when its place was called
  const line = lines[lane] ?? [], place = placeOf(number, lane)
  let low = 0, high = line.length
  for (let m; low < high;) line[m = low + high >> 1][1] < place ? low = m + 1 : high = m
  return line[low]?.[0]
}
if (calls && admissions) {
  const rules = at => limits.filter((l, i) => l.at_ms <= at && !(limits[i + 1]?.at_ms < at)), open = at => rules(at).some(l => l.mode === 'open')
  check(Object.values(lines).every(line => line.every(([at, upto], i) => !i || at > line[i - 1][0] && upto > line[i - 1][1])), `${calls.length} calls are in order`)
  check(new Set(admissions.map(a => a.slice(1).join())).size === admissions.length, `${admissions.length} tickets were admitted, each once`)
  const early = admissions.filter(([at, number, lane]) => !open(at) && !(reached(number, lane) <= at)).map(a => a[1])
  check(early.length === 0 && report.line.inversions === 0, `${early.length} were admitted before their place was called ${early.slice(0, 9)}`)
  const times = admissions.map(a => a[0]).filter(at => !open(at)).sort((x, y) => x - y)
  let first = 0
  const inside = times.map((at, i) => { while (at - times[first] > 60000) first++; return i + 1 - first }), most = inside.reduce((x, y) => Math.max(x, y), 0)
  const over = inside.filter((n, i) => !(n <= Math.max(...rules(times[i]).map(l => l.rate_per_minute)))).length
  check(over === 0 && most === report.most_in_60_seconds.most, `at most ${most} were admitted in any 60 seconds; the rate was exceeded ${over} times`)
  const own = option('ticket') ?? '', raw = own.length > 20 && Buffer.from(own, 'base64url')
  const mine = raw ? Number(raw.readBigUInt64BE(12)) : Number(own), lane = raw[0] === 2 ? raw[21] : 0, called = reached(mine, lane)
  if (mine) console.log(`ticket ${mine} had place ${placeOf(mine, lane)}, called ${called ? new Date(called).toISOString() : 'never'}`)
} else cannot('the sale has too many calls or admissions for the file')
for (const c of report.checks) c.verdict === 'broken' ? check(false, c.detail) : c.verdict === 'unknown' && cannot(`the report itself does not know: ${c.detail}`)
console.log(Object.entries(found).map(([what, n]) => `${n} ${what}`).join(', '))
process.exitCode = found.WRONG ? 1 : found['NOT CHECKED'] ? 2 : 0
