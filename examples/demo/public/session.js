// Counts down to the end of the session, warns before it, and offers to stay. It asks the server by passive requests,
// which don't count as use: whoever has left must not be kept logged in by his open tab.

const countdown = document.getElementById('countdown')
const dialog = document.getElementById('ending')
const dialogText = document.getElementById('ending-text')
const dialogLimit = document.getElementById('ending-limit')
const dialogLeft = document.getElementById('ending-left')
const stay = document.getElementById('stay')
const again = document.getElementById('again')
const announce = document.getElementById('announce')

const here = location.pathname + location.search
/** The server's answer, and how far its clock is ahead of ours. */
let session = null
let ahead = 0
/** The longest time that was left when we looked: the idle limit, as far as this page can know. */
let longest = 0
let lookedAt = -Infinity
let looking = null
let dismissed = false
let announced = Infinity

again.href = `/reauthenticate?next=${encodeURIComponent(here)}`
stay.addEventListener('click', prolong)
dialog.addEventListener('cancel', () => (dismissed = true))
document.addEventListener('visibilitychange', () => document.visibilityState === 'visible' && look(true))
// A page that comes back from the browser's cache shows what was; its session may have ended since.
addEventListener('pageshow', (event) => event.persisted && look(true))

await look(true)
setInterval(tick, 500)

/** Asks how long the session has. One question at a time. */
function look(passive) {
  looking ??= ask(passive).finally(() => (looking = null))
  return looking
}

async function ask(passive) {
  lookedAt = performance.now()
  let answer
  try {
    answer = await fetch('/api/session', {
      headers: { Accept: 'application/json', ...(passive && { 'Session-Passive': '1' }) },
      cache: 'no-store',
      signal: AbortSignal.timeout(10_000),
    })
  } catch {
    return
  }
  if (answer.status === 401) return location.replace(`/login?next=${encodeURIComponent(here)}`)
  if (!answer.ok) return
  session = await answer.json()
  // The header Date is in whole seconds, so less than two of them are no difference.
  const difference = Date.parse(answer.headers.get('date')) + 500 - Date.now()
  ahead = Math.abs(difference) < 2_000 ? 0 : difference
  longest = Math.max(longest, left())
  show()
}

function tick() {
  if (!session) return void (performance.now() - lookedAt > 5_000 && look(true))
  const pause = left() <= 0 ? 1_000 : Math.min(Math.max(longest / 20, 1_000), 30_000)
  if (performance.now() - lookedAt > pause) look(true)
  show()
}

function show() {
  const remaining = left()
  const soon = remaining <= warning()
  countdown.hidden = false
  countdown.classList.toggle('soon', soon)
  countdown.textContent = words(remaining)
  if (!soon) {
    dismissed = false
    announced = Infinity
    if (dialog.open) dialog.close()
    return
  }
  const final = session.expiresAt <= session.idleExpiresAt
  dialogLeft.textContent = words(remaining)
  dialogLimit.hidden = !final
  dialogText.lastChild.textContent = final ? '.' : ', because it was not used.'
  stay.hidden = final
  again.hidden = !final
  if (!dialog.open && !dismissed) dialog.showModal()
  say(remaining)
}

/** Says it to those who don't see it, and not at each second. */
function say(remaining) {
  const step = [60_000, 30_000, 10_000].findLast((step) => remaining <= step) ?? 120_000
  if (step >= announced) return
  announced = step
  announce.textContent = `Your session ends in ${Math.ceil(remaining / 1000)} seconds.`
}

async function prolong() {
  stay.disabled = true
  await looking
  await look(false)
  stay.disabled = false
}

function left() {
  return session.idleExpiresAt - Date.now() - ahead
}

/** Two minutes, or half of a short limit. */
function warning() {
  return Math.min(120_000, longest / 2)
}

function words(millis) {
  const seconds = Math.max(0, Math.ceil(millis / 1000))
  if (seconds < 60) return `${seconds} s`
  const minutes = Math.floor(seconds / 60)
  if (minutes < 60) return `${minutes}:${String(seconds % 60).padStart(2, '0')}`
  const hours = Math.floor(minutes / 60)
  return hours < 48 ? `${hours} h ${minutes % 60} min` : `${Math.floor(hours / 24)} days`
}
